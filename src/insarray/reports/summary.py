"""Summarise a result in tables of text and numbers: provenance, inputs, options, statistics."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from insarray._version import __version__
from insarray.model.conventions import FLAGS
from insarray.model.dataset import grid_of, network_of, reference_in
from insarray.model.errors import InsarrayError
from insarray.model.network import Network
from insarray.model.place import Area
from insarray.reports.thinning import reference_pixel

Row = tuple[str, str]

FLAG_MEANINGS = {
    "solver_flag": {
        "no_data": "no pair has data here: water, masked, or outside the images",
        "complete": "every pair has data",
        "missing_pairs": "pairs are missing, but every date is tied to the first",
        "dates_untied": "some dates are not tied to the first by any chain of pairs",
        "reference_date_missing": "the first date has no pair: without --gap subset the whole pixel is empty",
        "not_converged": "the robust norm did not reach its tolerance; the value may still move",
    },
    "fit_flag": {
        "no_data": "nothing to fit",
        "determined": "every term is determined, with redundant dates or pairs",
        "no_redundancy": "as many terms as dates or pairs: the fit cannot be checked, it has no standard error",
        "undetermined_terms": "some term is not determined by the dates that there are, and is empty",
        "too_few_observations": "fewer dates, or less redundancy, than the fit needs (fit_min_dates, fit_min_redundancy): "
        "left empty",
        "masked": "outside the mask that was given to the fit: left empty",
    },
    "component_flag": {
        "no_data": "no track observes the pixel",
        "determined": "components determined by more tracks than needed",
        "no_redundancy": "components determined by as few tracks as possible",
        "too_few_tracks": "fewer tracks than components: not determined",
        "weak_geometry": "lines of sight too much alike: not determined",
        "north_unknown": "no velocity to the north by GNSS: not determined",
        "dates_undetermined": "some dates about which too few tracks have dates",
    },
    "unwrapping_flag": {
        "no_data": "no pair has data",
        "closed": "all loops closed, nothing was changed",
        "corrected": "whole cycles were added, and the loops close",
        "ambiguous": "loops do not decide where the error is: some pairs were left alone",
        "no_loops": "no loop of pairs is observed: nothing can be checked",
    },
}
"""Explanations of the values of the flags."""

MAIN = ("velocity", "velocity_std", "temporal_coherence", "solver_flag", "height_error", "height_error_std")
"""Maps that are shown first, in this order."""

_SHOWN = {"command", "history", "source", "job_fingerprint", "sign", "notes", "Conventions"}
"""Attributes that have their own place on the page, or are for programs only."""

_MILLI = {"m": ("mm", 1e3), "m/year": ("mm/yr", 1e3), "radian": ("rad", 1.0), "1": ("", 1.0)}


@dataclass(frozen=True)
class Source:
    """Result and its context: `url` and `job` of its store, both None for a dataset."""

    dataset: xr.Dataset
    url: str | None = None
    job: dict[str, Any] | None = None
    network: Network | None = field(init=False)

    def __post_init__(self) -> None:
        try:
            network = network_of(self.dataset)
        except InsarrayError:  # maps and models without pairs
            network = None
        object.__setattr__(self, "network", network)


def provenance_rows(source: Source) -> list[Row]:
    """Return command, versions and store."""
    attrs, job = source.dataset.attrs, source.job or {}
    time, _, command = str(attrs.get("history", "")).partition(" ")
    rows = [("store", source.url), ("command", job.get("command") or command), ("started", time)]
    rows.append(("versions", attrs.get("source")))
    if job:
        high, wide = job["rows"], job["cols"]
        blocks = f"{len(high) * len(wide)} of up to {max(high)} x {max(wide)} pixels, all done"
        rows += [("state", job["state"]), ("blocks", blocks)]
    rows += [("fingerprint of the job", attrs.get("job_fingerprint")), ("report by", f"insarray {__version__}")]
    return [(name, str(value)) for name, value in rows if value]


def input_rows(source: Source) -> list[Row]:
    """Return dates, network and grid."""
    dataset, network, grid = source.dataset, source.network, grid_of(source.dataset)
    rows: list[Row] = []
    times = dataset.time.values if "time" in dataset.coords else network.times if network is not None else None
    if times is not None:
        span = (times[-1] - times[0]) / np.timedelta64(1, "D")
        rows.append(("dates", f"{len(times)}, {_day(times[0])} to {_day(times[-1])}, {span:.0f} days"))
    if network is not None:
        redundancy, spare = network.redundancy(), network.n_pairs - network.n_dates + network.n_components
        rows += [
            ("pairs", f"{network.n_pairs}, of which {spare} redundant; {len(network.triplets())} triplets"),
            ("pairs at a date", f"{redundancy.min()} to {redundancy.max()}"),
            ("longest pair", f"{network.temporal_baseline.max():.0f} days"),
            ("pieces of the network", str(network.n_components)),
        ]
    rows.append(("grid", f"{grid.height} rows x {grid.width} columns, pixel {abs(grid.dx):.6g} x {abs(grid.dy):.6g}"))
    rows.append(("coordinates", _crs_name(grid.crs)))
    middle = grid.lonlat((grid.height - 1) / 2, (grid.width - 1) / 2)
    if middle is not None:
        rows.append(("middle", degrees(*middle)))
    rows.append(("reference", reference_words(dataset)))
    if "correction_sources" in dataset.attrs:
        rows.append(("corrections", str(dataset.attrs["correction_sources"])))
    return rows


def option_rows(source: Source) -> list[Row]:
    """Return all other attributes: reader, options, masks, fingerprints, and any that users have added."""
    attrs = source.dataset.attrs
    hidden = {key for key in attrs if str(key) in _SHOWN or str(key).startswith(("spatial:", "proj:"))}
    return [(str(key), _plain(value)) for key, value in attrs.items() if key not in hidden]


def notes(source: Source) -> list[str]:
    """Return the notes on how the input files were used."""
    found = source.dataset.attrs.get("notes", [])
    return [found] if isinstance(found, str) else [str(note) for note in found]


def reference_words(dataset: xr.Dataset) -> str:
    """Describe the reference."""
    place, attrs = reference_pixel(dataset), dataset.attrs
    if place is None:
        return "none recorded: the phase was taken as referenced already"
    text = f"row {place[0]}, column {place[1]}"
    area = reference_in(dataset)
    if isinstance(area, Area):
        text = (
            f"mean over rows {area.row_start} to {area.row_stop - 1}, columns {area.col_start} to {area.col_stop - 1}"
        )
        if "reference_pixels" in attrs:
            text += f" ({attrs['reference_pixels']} pixels with data in every pair)"
    if {"reference_lon", "reference_lat"} <= set(attrs):
        return f"{text}; {degrees(float(attrs['reference_lon']), float(attrs['reference_lat']))}"
    position = grid_of(dataset).lonlat(*place)
    return text if position is None else f"{text}; {degrees(*position)}"


def flag_tables(totals: xr.Dataset) -> list[dict[str, Any]]:
    """Return the values of each flag: number, name, meaning, pixels and percentage of all pixels."""
    tables = []
    for flag, names in FLAGS.items():
        if f"pixels_{flag}" not in totals:
            continue
        counts = totals[f"pixels_{flag}"].values
        rows = [
            {
                "value": k,
                "name": name,
                "meaning": FLAG_MEANINGS[flag][name],
                "pixels": int(n),
                "percent": percent(n, counts.sum()),
            }
            for k, (name, n) in enumerate(zip(names, counts, strict=True))
        ]
        tables.append({"flag": flag, "rows": rows})
    return tables


def statistics_table(
    dataset: xr.Dataset, totals: xr.Dataset, maps: xr.Dataset, last: xr.Dataset
) -> list[dict[str, Any]]:
    """Return exact pixel count and mean of each map, and percentiles over the pixels in `maps` and `last` date."""
    known = [str(name) for name in totals["map"].values] if "map" in totals else []
    rows = []
    for name in [*(name for name in MAIN if name in known), *(name for name in known if name not in MAIN)]:
        k = known.index(name)
        count, total = int(totals["count"][k]), float(totals["sum"][k])
        rows.append(_statistics(name, dataset[name], maps[name].values, count, total))
    for name in ("displacement", "displacement_std"):
        if name in last:
            values = last[name].values
            rows.append(_statistics(name, dataset[name], values, None, None) | {"name": f"{name}, last date"})
    return rows


def _statistics(
    name: str, array: xr.DataArray, values: np.ndarray, count: int | None, total: float | None
) -> dict[str, Any]:
    unit, scale = _MILLI.get(str(array.attrs.get("units", "1")), (str(array.attrs.get("units", "")), 1.0))
    if "height_error" in name:
        unit, scale = "m", 1.0
    found = values[np.isfinite(values)].astype(np.float64)
    middle = [_number(scale * v) for v in np.percentile(found, (5, 50, 95))] if found.size else ["", "", ""]
    mean = "" if not count or total is None else _number(scale * total / count)
    return {
        "name": name,
        "meaning": str(array.attrs.get("long_name", "")),
        "unit": unit,
        "pixels": "" if count is None else count,
        "mean": mean,
        "percentiles": middle,
    }


def pieces_words(totals: xr.Dataset) -> str:
    """Describe how many values of a series are connected to the reference date."""
    if "tied" not in totals:
        return ""
    every = int(totals.pixels) * totals.sizes["time"]
    tied, untied, unobserved = (percent(int(totals[name].sum()), every) for name in ("tied", "untied", "unobserved"))
    return (
        f"Of {every} values (dates at pixels with data) {tied} % are tied to the reference date, {untied} % are in another "
        f"piece of the network, {unobserved} % are not observed."
    )


def date_table(source: Source, totals: xr.Dataset) -> list[dict[str, Any]]:
    """Return, per date, the number of pairs, and the percentages of connected and unconnected pixels."""
    if "tied" not in totals:
        return []
    times, network, pixels = source.dataset.time.values, source.network, int(totals.pixels)
    known = {} if network is None else dict(zip(map(_day, network.times), network.redundancy().tolist(), strict=True))
    return [
        {
            "date": _day(time),
            "pairs": known.get(_day(time), ""),
            **{name: percent(totals[name].values[k], pixels) for name in ("tied", "untied", "unobserved")},
        }
        for k, time in enumerate(times)
    ]


def pair_table(source: Source, totals: xr.Dataset, most: int = 15) -> list[dict[str, Any]]:
    """Return the pairs by their residuals, the worst first; empty if the result has no `residual`."""
    if "pair_pixels" not in totals or source.network is None:
        return []
    pixels, square, wrong = (totals[f"pair_{name}"].values for name in ("pixels", "square", "wrong"))
    with np.errstate(invalid="ignore"):
        rms, share = np.sqrt(square / pixels), 100 * wrong / pixels
    order = np.lexsort((-np.nan_to_num(rms), -np.nan_to_num(share)))[:most]
    return [
        {"pair": source.network.labels[k], "pixels": int(pixels[k]), "rms": f"{rms[k]:.3f}", "wrong": f"{share[k]:.2f}"}
        for k in order
    ]


def percent(part: float, whole: float) -> str:
    """Format a percentage with two decimals; a hyphen if `whole` is zero."""
    return f"{100 * part / whole:.2f}" if whole else "-"


def degrees(lon: float, lat: float) -> str:
    """Format a geographic position."""
    return f"{abs(lat):.5f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.5f}° {'E' if lon >= 0 else 'W'}"


def _day(time: np.datetime64) -> str:
    """Format a time as ``YYYY-MM-DD``, followed by the time of day if it is not midnight."""
    return str(time.astype("datetime64[s]")).removesuffix("T00:00:00")


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _plain(value: object) -> str:
    return str(np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic) else value)


def _crs_name(crs: str | None) -> str:
    if crs is None:
        return "radar coordinates"
    from pyproj import CRS

    parsed = CRS.from_user_input(crs)
    code = parsed.to_epsg()
    return f"EPSG:{code} {parsed.name}" if code else str(parsed.name)
