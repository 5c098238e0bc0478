"""Commands that write files of a stored result: GeoTIFF, NetCDF, plots, the report."""

from pathlib import Path
from typing import Any

import xarray as xr

from insarray.cli.inputs import cropped, mask_of
from insarray.cli.main import Export, Plot, Report, Timeseries
from insarray.cli.say import echo
from insarray.engine.open import open as open_result
from insarray.model.dates import date_index
from insarray.model.errors import ArgumentError
from insarray.products.stacks.closure import closure_summary


def export(options: Export) -> None:
    """Write a GeoTIFF or NetCDF file, or a table."""
    from insarray.export.tables import is_table

    write = _table if is_table(options.path) else _raster
    write(options)
    echo(f"{options.path}: written")


def _table(options: Export) -> None:
    from insarray.export.tables import to_table

    dataset = open_result(options.store)
    if options.variable is not None:
        raise ArgumentError("variable: a table has all of them; leave --variable out")
    to_table(
        dataset,
        options.path,
        every=options.every,
        area=options.area,
        polygons=options.polygons,
        mask=mask_of(dataset, options),
        overwrite=options.overwrite,
    )


def _raster(options: Export) -> None:
    from insarray.export.rasters import to_cog, to_netcdf

    path, variable, dataset = (
        options.path,
        options.variable,
        cropped(open_result(options.store), options.area, options.store),
    )
    suffix = Path(path).suffix.lower()
    for name, given in (("every", options.every != 1), ("polygons", options.polygons is not None)):
        if given:
            raise ArgumentError(
                f"{name}: is for tables, and {path} is none; leave --{name} out, or use --mask or --area"
            )
    good = mask_of(dataset, options)
    if suffix == ".nc":
        if variable is not None:
            dataset = dataset[[_known(dataset, variable, options.store)]]
        to_netcdf(dataset, path, mask=good, overwrite=options.overwrite)
    elif suffix in (".tif", ".tiff"):
        name = _known(dataset, variable or Path(path).stem, options.store)
        to_cog(dataset[name], path, attrs=dataset.attrs, mask=good, overwrite=options.overwrite)
    else:
        raise ArgumentError(
            f"{path}: ends in {suffix!r}; use .tif for a GeoTIFF, .nc for NetCDF, or .csv, .parquet, .gpkg, .geojson, .fgb, .shp "
            "or .kmz for a table"
        )


def timeseries(options: Timeseries) -> None:
    """Write or print the series of places."""
    from insarray.cli.options import Places
    from insarray.export.places import series_lines, write_series
    from insarray.export.rasters import require_free
    from insarray.products.series.timeseries import timeseries as series_at

    if options.out is not None:  # before the work
        require_free(Path(options.out), overwrite=options.overwrite)
    dataset = open_result(options.store)
    good = mask_of(dataset, options)
    found = series_at(dataset, **options.keywords(Places), mask=good)
    if options.out is None:
        echo("".join(series_lines(found)), nl=False)
        return
    write_series(found, options.out, dataset, options.points, options.polygons, overwrite=options.overwrite)
    echo(f"{options.out}: written")


def report(options: Report) -> None:
    """Write the page about a store."""
    from insarray.reports import report as write_report

    good = mask_of(open_result(options.store), options)
    write_report(options.store, options.path, mask=good, overwrite=options.overwrite, title=options.title)
    echo(f"{options.path}: written")


def _known(dataset: xr.Dataset, variable: str, store: str) -> str:
    if variable not in dataset.data_vars:
        names = ", ".join(sorted(map(str, dataset.data_vars)))
        raise ArgumentError(f"variable: {variable!r} is not in {store}; choose --variable from {names}")
    return variable


def _at_date(dataset: xr.Dataset, variable: str, date: str | None) -> xr.Dataset:
    """Dataset in which a variable of a series is the map of one date."""
    if "time" not in dataset[variable].dims:
        if date is not None:
            raise ArgumentError(f"date: {variable} is one map, not a series; leave --date out")
        return dataset
    return dataset.isel(time=-1 if date is None else date_index(dataset.time.values, date))


def plot(options: Plot) -> None:
    """Draw into a file."""
    from insarray import plot as draw

    what, url, dataset = options.what, options.store, open_result(options.store)
    good = mask_of(dataset, options)
    if good is not None and what not in ("velocity", "map", "multiples"):
        raise ArgumentError(f"--mask, --min-dates, ...: {what} has no pixels to mask; use them with maps and multiples")
    axes: Any
    if what == "closure":
        axes = draw.closure(closure_summary(dataset, maps=True))
    elif what == "network":
        if "pair" not in dataset.sizes:
            raise ArgumentError(f"{url}: has no pairs; give the output of insarray invert")
        axes = draw.network(dataset)
    elif what == "velocity":
        axes = draw.velocity(dataset, mask=good)
    elif what == "map":
        if options.variable is None:
            raise ArgumentError("variable: give the variable to draw with --variable")
        name = _known(dataset, options.variable, url)
        axes = draw.map(_at_date(dataset, name, options.date), name, mask=good)
    elif what == "multiples":
        axes = draw.multiples(dataset, _known(dataset, options.variable or "displacement", url), mask=good)
    elif what == "points":
        if "point" not in dataset.sizes:
            raise ArgumentError(f"{url}: has no points; give the points.zarr of insarray links")
        name = _known(dataset, options.variable or "velocity", url)
        axes = draw.points(_at_date(dataset, name, options.date) if "time" in dataset[name].dims else dataset, name)
    else:
        axes = draw.point(dataset, row=options.row, col=options.col, lon=options.lon, lat=options.lat)
    draw.save(axes, options.path)
    echo(f"{options.path}: written")
