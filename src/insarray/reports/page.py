"""Write a result as one self-contained HTML page, which needs no server, network or other files."""

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import xarray as xr

from insarray.engine.graph.inputs import refuse_inputs
from insarray.engine.open import job_of
from insarray.engine.open import open as open_result
from insarray.export.files import complete_file, require_free
from insarray.model.conventions import FLAGS, SIGN, VARIABLES
from insarray.model.errors import ArgumentError
from insarray.model.secrets import shown, shown_values, without_secrets
from insarray.model.text import printable
from insarray.products.stacks.quality import masked
from insarray.products.stacks.selection import Raster
from insarray.reports import pictures, summary
from insarray.reports.checks import problems
from insarray.reports.corrections import corrections_of
from insarray.reports.gnss import gnss_of
from insarray.reports.thinning import Sampling, thinned
from insarray.reports.time_series import series_within
from insarray.reports.totals import maps_of, totals

_MAP_SIDE = 800  # pixels: as many as a picture on the page shows
_PAGE_BYTES = 3_000_000
_LEAST_SERIES = 300_000  # of the page, whatever its other parts take
_ROOM = 10_000  # for what is not known before
_MOST_MAPS = 14
_LATER = ("residual_rms", "fit_flag", "unwrapping_flag")
_INTEGERS = ("uint8", "uint16", "int16")
_NOT_DRAWN = {"intercept", "intercept_std", "fit_residual_std"}


def report(
    dataset: xr.Dataset | str | Path,
    path: str | Path,
    *,
    mask: Raster | None = None,
    overwrite: bool = False,
    title: str | None = None,
    gnss: xr.Dataset | None = None,
    validation: xr.Dataset | None = None,
) -> Path:
    """Write an HTML report of a result: how it was made, maps, possible problems, and time series of clicked points.

    The page is one file of at most 3 MB that loads nothing. Sections appear as far as the result has what they are of. Flags,
    means and ties of dates are exact, over all pixels; maps, percentiles and time series are of every n-th row and column,
    and the page says which n. The result is read three times, block by block: it may be larger than memory.

    Parameters
    ----------
    dataset
        Result of `insarray.invert`, `insarray.fit`, or several merged; or the path or URL of its store, in which case
        the page also shows command, state and blocks.
    path
        File to write.
    mask
        Use only pixels where this raster, a file or an array (y, x), is neither 0 nor no-data, such as
        `insarray.quality_mask`; the page lists it among the options.
    overwrite
        Replace an existing file.
    title
        Heading; default: the name of the store.
    gnss
        What the series and stations differ by (`insarray.compare_gnss`), for a section with a table of the stations and
        their picture. A tie to stations that the result records is in it, too.
    validation
        Requirements that were tested (`insarray.validate`), for the same section.

    Returns
    -------
    Path
        Path of the page.

    Raises
    ------
    ArgumentError
        If the result has neither a displacement (time, y, x) nor a map (y, x), or `path` does not end in .html.
    StoreError
        If the store is not an insarray store or not finished, or if `path` exists or cannot be written.

    See Also
    --------
    insarray.run : compute into a store.
    insarray.quality_mask : mask of pixels that pass criteria.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, reference=(9, 12))
    >>> path = ia.report(series.merge(ia.fit(series)), "report.html")
    >>> path.read_text().startswith("<!DOCTYPE html>")
    True
    """
    require_free(Path(path), overwrite=overwrite)
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise ArgumentError(f"{path}: the name of a report must end in .html")
    source = _source(dataset)
    refuse_inputs(path, source.dataset, mask)
    _require_maps(source.dataset)
    source = replace(source, dataset=masked(source.dataset, mask))
    compared = gnss_of(source.dataset, gnss, validation)
    content = _content(source) | {"title": shown(title or _name(source)), "gnss": compared}
    text = _rendered(_with_series(source.dataset, content))
    with complete_file(path, overwrite=overwrite) as final:
        final.write_text(printable(text), encoding="utf-8")
    return Path(path)


def _require_maps(dataset: xr.Dataset) -> None:
    if "displacement" in dataset:
        if dataset.displacement.dims != ("time", "y", "x"):
            raise ArgumentError(
                f"dataset: displacement is {dataset.displacement.dims}, not (time, y, x); "
                + ("points have no report" if "point" in dataset.dims else "give a whole series, or maps without it")
            )
    elif not maps_of(dataset):
        raise ArgumentError(
            "dataset: has neither 'displacement' (time, y, x) nor a map (y, x) of numbers; give the result of invert or fit"
        )


def _source(dataset: xr.Dataset | str | Path) -> summary.Source:
    if isinstance(dataset, xr.Dataset):
        ordered = dataset.transpose("pair", "time", ..., "y", "x", missing_dims="ignore")
        return summary.Source(_with_integers(without_secrets(ordered)))
    url = str(dataset)
    return summary.Source(without_secrets(open_result(url)), shown(url), shown_values(job_of(url)))


def _with_integers(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with flags and counts as integers again, after ``where`` made them floats with NaN."""
    floats = [
        str(name)
        for name, array in dataset.data_vars.items()
        if array.dtype.kind == "f" and name in VARIABLES and VARIABLES[str(name)].dtype in _INTEGERS
    ]
    return dataset.assign({name: dataset[name].fillna(0).astype(VARIABLES[name].dtype) for name in floats})


def _name(source: summary.Source) -> str:
    return "InSAR time series" if source.url is None else source.url.rstrip("/").rsplit("/", 1)[-1]


def _content(source: summary.Source) -> dict[str, Any]:
    """Return the content of the template."""
    dataset = source.dataset
    shape = dataset.sizes["y"], dataset.sizes["x"]
    sampling = Sampling(shape, max(1, -(-max(shape) // _MAP_SIDE)))
    drawn = [name for name in (*summary.MAIN, *_LATER) if name in dataset]
    others = [name for name in maps_of(dataset) if name not in drawn and name not in _NOT_DRAWN]
    maps = thinned(dataset, [*maps_of(dataset), *(name for name in FLAGS if name in dataset)], sampling)
    sums = totals(dataset)
    series = _series(dataset, sampling)
    content: dict[str, Any] = {
        "sign": dataset.attrs.get("sign", SIGN),
        "problems": problems(source, sums, maps),
        "provenance": summary.provenance_rows(source),
        "input": summary.input_rows(source),
        "options": summary.option_rows(source),
        "notes": summary.notes(source),
        "sampling": sampling.text(),
        "flags": summary.flag_tables(sums),
        "statistics": summary.statistics_table(dataset, sums, maps, series.isel(time=-1) if series else series),
        "pieces": summary.pieces_words(sums),
        "dates": summary.date_table(source, sums),
        "pairs": summary.pair_table(source, sums),
        "network": None if source.network is None else pictures.network_picture(_pairs_of(dataset)),
        "has_series": "displacement" in dataset,
        "not_drawn": (drawn + others)[_MOST_MAPS:],
        "histogram": pictures.histogram_picture(maps) if "velocity" in maps and maps.velocity.notnull().any() else None,
        "displacement": pictures.displacement_picture(series) if series else None,
        "corrections": corrections_of(dataset, sampling),
    }
    return content | _maps(dataset, maps, (drawn + others)[:_MOST_MAPS], series, sampling)


def _pairs_of(dataset: xr.Dataset) -> xr.Dataset:
    """Return the coordinates of the pairs, in memory."""
    names = ("reference_time", "secondary_time", "perpendicular_baseline", "mean_coherence")
    return xr.Dataset(coords={name: dataset.coords[name].load() for name in names if name in dataset.coords})


def _series(dataset: xr.Dataset, sampling: Sampling) -> xr.Dataset:
    """Return displacement, and its standard deviation, at the plotted dates; empty without a series."""
    if "displacement" not in dataset:
        return xr.Dataset()
    names = [name for name in ("displacement", "displacement_std") if name in dataset]
    return thinned(dataset.isel(time=pictures.chosen_dates(dataset.time.values)), names, sampling)


def _maps(
    dataset: xr.Dataset, maps: xr.Dataset, names: list[str], series: xr.Dataset, sampling: Sampling
) -> dict[str, Any]:
    """Return pictures of the maps; the first one for a series is clickable."""
    drawn = [(name, maps) for name in names]
    if "displacement" in dataset and "velocity" not in names:
        drawn.insert(0, ("displacement", series.isel(time=-1)))
    found = []
    clickable = None
    for name, layers in drawn:
        picture, box = pictures.map_picture(layers, name, len(drawn))
        item = {"name": name, "meaning": str(layers[name].attrs.get("long_name", name)), "svg": picture}
        if "displacement" in dataset and clickable is None:
            clickable = item | {"data": {"box": box, "edges": sampling.edges}}
        else:
            found.append(item)
    return {"clickable": clickable, "maps": found}


def _with_series(dataset: xr.Dataset, content: dict[str, Any]) -> dict[str, Any]:
    """Content with the time series of so many pixels as the rest of the page leaves room for."""
    map_ = content["clickable"]
    if map_ is None:
        return content
    without = map_ | {"data": map_["data"] | {"scale": 1.0}, "sampling": ""}
    used = len(_rendered(content | {"clickable": without}).encode()) + _ROOM
    budget = max(_PAGE_BYTES - used, _LEAST_SERIES)
    spots, data = series_within(dataset, budget)
    return content | {"clickable": map_ | {"data": data | map_["data"], "sampling": spots.text()}}


def _rendered(content: dict[str, Any]) -> str:
    """Render the page; all text from outside, such as attributes, is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    where = Environment(
        loader=PackageLoader("insarray.reports", "parts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    assert where.loader is not None  # noqa: S101  for the type checker
    style, script = (where.loader.get_source(where, name)[0] for name in ("page.css", "time_series.js"))
    # browsers run no other script than this one, and load nothing, whatever the page contains
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    pieces = {"style": Markup(style), "script": Markup(script), "rules": rules}  # noqa: S704  files of this package
    where.filters["picture"] = Markup  # made by matplotlib, which escapes its text
    return where.get_template("page.html").render(**content, **pieces)
