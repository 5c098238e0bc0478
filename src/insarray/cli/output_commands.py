"""Commands that write files of a stored result: GeoTIFF, NetCDF, plots, report."""

from pathlib import Path
from typing import Any

import xarray as xr

from insarray.cli.component_commands import one_sight, sighted
from insarray.cli.components_points_export import Export, Plot, Report, Timeseries
from insarray.cli.compute import save_plot
from insarray.cli.inputs import cropped, mask_of
from insarray.cli.say import echo
from insarray.engine.open import open as open_result
from insarray.io.gnss.open import open_gnss
from insarray.model.dates import date_index
from insarray.model.errors import ArgumentError
from insarray.products.gnss.compare import compare_gnss
from insarray.products.points.selection import points_to_grid
from insarray.products.stacks.closure import closure_summary
from insarray.products.stacks.selection import Raster


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
                f"{name}: is for tables, and {path} is not a table; leave --{name} out, or use --mask or --area"
            )
    good = mask_of(dataset, options)
    if suffix == ".nc":
        if variable is not None:
            dataset = dataset[[_known(dataset, variable, options.store)]]
        to_netcdf(dataset, path, mask=good, overwrite=options.overwrite)
    elif suffix in (".tif", ".tiff"):
        name = _known(dataset, variable or Path(path).stem, options.store)
        if "point" in dataset[name].dims:
            dataset = _on_grid(dataset[[name]], options)
        to_cog(dataset[name], path, attrs=dataset.attrs, mask=good, overwrite=options.overwrite)
    else:
        raise ArgumentError(
            f"{path}: ends in {suffix!r}; use .tif for a GeoTIFF, .nc for NetCDF, or .csv, .parquet, .gpkg, .geojson, .fgb, .shp "
            "or .kmz for a table"
        )


def timeseries(options: Timeseries) -> None:
    """Write or print the series of places."""
    from insarray.cli.options import Places
    from insarray.export.files import require_free
    from insarray.export.places import series_lines, write_series
    from insarray.products.series.timeseries import timeseries as series_at

    if options.out is not None:  # before the work
        require_free(Path(options.out), overwrite=options.overwrite)
    dataset = open_result(options.store)
    good = mask_of(dataset, options)
    found = series_at(dataset, **options.keywords(Places), mask=good)
    if options.out is None:
        echo("".join(series_lines(found)), nl=False)
        return
    inputs = (dataset, options.points, options.polygons, options.mask)
    write_series(found, options.out, *inputs, overwrite=options.overwrite)
    echo(f"{options.out}: written")


def report(options: Report) -> None:
    """Write the HTML report of a store."""
    from insarray.reports import report as write_report

    good = mask_of(open_result(options.store), options)
    how: dict[str, Any] = {"mask": good, "overwrite": options.overwrite, "title": options.title}
    if options.gnss is None:
        if options.line_of_sight:
            raise ArgumentError("--line-of-sight: is for the comparison with stations; give them with --gnss")
        write_report(options.store, options.path, **how)
    else:
        series = sighted(options.store, one_sight(options.line_of_sight))
        write_report(options.store, options.path, **how, gnss=compare_gnss(series, open_gnss(options.gnss)))
    echo(f"{options.path}: written")


def _on_grid(points: xr.Dataset, options: Export) -> xr.Dataset:
    """Return a variable of points on the grid that they were selected from."""
    for name, given in (("area", options.area), ("mask", options.mask)):
        if given is not None:
            raise ArgumentError(f"{name}: {options.store} has points; leave --{name} out, or export a table")
    grid = points_to_grid(points)
    if not grid.data_vars:
        what = ", ".join(f"{name} {values.dims}" for name, values in points.data_vars.items())
        raise ArgumentError(f"variable: {what} is no layer of real numbers; export a table")
    return grid


def _known(dataset: xr.Dataset, variable: str, store: str) -> str:
    if variable not in dataset.data_vars:
        names = ", ".join(sorted(map(str, dataset.data_vars)))
        raise ArgumentError(f"variable: {variable!r} is not in {store}; choose --variable from {names}")
    return variable


def _at_date(dataset: xr.Dataset, variable: str, date: str | None) -> xr.Dataset:
    """Return the dataset with a variable of a series reduced to one date."""
    if "time" not in dataset[variable].dims:
        if date is not None:
            raise ArgumentError(f"date: {variable} is one map, not a series; leave --date out")
        return dataset
    return dataset.isel(time=-1 if date is None else date_index(dataset.time.values, date))


_MASKED = ("velocity", "map", "multiples", "profile", "compare")
_ONLY_FOR = {
    "limits": ("velocity", "map", "multiples", "points"),
    "date": ("map", "points", "profile", "compare"),
    "dates": ("multiples",),
    "width": ("profile",),
    "lonlat": ("profile",),
    "other": ("compare",),
    **dict.fromkeys(("row", "col", "lon", "lat"), ("point",)),
}
"""Options of plot by the pictures that have them."""


def plot(options: Plot) -> None:
    """Write a plot to a file."""
    what, dataset = options.what, open_result(options.store)
    good = mask_of(dataset, options)
    if good is not None and what not in _MASKED:
        raise ArgumentError(f"--mask, --min-dates, ...: {what} has no pixels to mask; use them with maps and multiples")
    given = options.given(Plot)
    for name, pictures in _ONLY_FOR.items():
        if name in given and what not in pictures:
            option = "with" if name == "other" else name
            raise ArgumentError(f"{option}: is for {', '.join(pictures)}, and not for {what}; leave --{option} out")
    drawn = _maps(options, dataset, good) if what in (*_MASKED, "points") else _lines(options, dataset)
    save_plot(drawn, options.path, dataset, options.store, options.other, options.mask)
    echo(f"{options.path}: written")


def _lines(options: Plot, dataset: xr.Dataset) -> Any:
    """Pictures of networks and of a point."""
    from insarray import plot as draw

    if options.what == "closure":
        return draw.closure(closure_summary(dataset, maps=True))
    if options.what == "network":
        if "pair" not in dataset.sizes:
            raise ArgumentError(f"{options.store}: has no pairs; give the output of insarray invert")
        return draw.network(dataset)
    return draw.point(dataset, row=options.row, col=options.col, lon=options.lon, lat=options.lat)


def _maps(options: Plot, dataset: xr.Dataset, good: Raster | None) -> Any:
    """Pictures of a variable."""
    from insarray import plot as draw

    what, url, limits = options.what, options.store, options.limits
    if what == "velocity":
        return draw.velocity(dataset, mask=good, limits=limits)
    if what == "map" and options.variable is None:
        raise ArgumentError("variable: give the variable to draw with --variable")
    name = _known(dataset, options.variable or ("displacement" if what == "multiples" else "velocity"), url)
    if what == "multiples":
        return draw.multiples(dataset, name, layers=options.dates or None, mask=good, limits=limits)
    if what == "points":
        if "point" not in dataset.sizes:
            raise ArgumentError(f"{url}: has no points; give the points.zarr of insarray links")
        return draw.points(_at_date(dataset, name, options.date), name, limits=limits)
    shown = _at_date(dataset, name, options.date)
    if what == "profile":
        if options.lonlat is None or len(options.lonlat) != 4:
            raise ArgumentError("lonlat: give both ends of the line, --lonlat LON LAT LON LAT")
        ends = [options.lonlat[:2], options.lonlat[2:]]
        return draw.profile(shown, name, lonlat=ends, width=options.width, mask=good)
    if what == "compare":
        if options.other is None:
            raise ArgumentError("with: give the other result, --with STORE")
        other = open_result(options.other)
        _known(other, name, options.other)
        labels = [Path(store).stem for store in (url, options.other)]
        return draw.compare(shown, _at_date(other, name, options.date), name, labels=labels, mask=good)
    return draw.map(shown, name, mask=good, limits=limits)
