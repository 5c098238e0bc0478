"""Checks of a result; each problem is reported with its number and a remedy."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.model.conventions import DAYS_PER_YEAR, FLAGS
from insarray.model.network import Network
from insarray.reports.summary import Source, date_table
from insarray.reports.thinning import reference_pixel

_FEW_PAIRS = 2
_SOME = 1.0  # percent of the pixels with data
_HALF = 50.0
_COHERENT = 0.7
_EDGE = 0.02  # fraction of the shorter side
_AROUND = 5  # rows and columns on each side of the reference
_RESIDUAL = 1.0  # radian


class Problem(NamedTuple):
    """Possible problem and its remedy."""

    what: str
    remedy: str


def problems(source: Source, totals: xr.Dataset, maps: xr.Dataset) -> list[Problem]:
    """Return all problems of a result found by the checks.

    Parameters
    ----------
    source
        Result to check.
    totals
        Output of `totals`.
    maps
        Maps at the sampled pixels.
    """
    return quick_problems(source) + _dates(source, totals) + _flags(totals) + _quality(source, maps)


def quick_problems(source: Source) -> list[Problem]:
    """Return the problems of the network and the reference, for which no image is read as a whole."""
    found = [] if source.network is None else _network(source.network)
    return found + _reference(source.dataset)


def _network(network: Network) -> list[Problem]:
    found = []
    if network.n_components > 1:
        found.append(
            Problem(
                f"The network falls into {network.n_components} pieces that no pair joins.",
                "The displacement between pieces is not observed. Add pairs, or read each piece by itself.",
            )
        )
    if network.n_pairs - network.n_dates + network.n_components == 0:
        found.append(
            Problem(
                "No pair is redundant.",
                "Nothing can be checked: residuals are 0 and temporal coherence is 1 by construction. Add pairs.",
            )
        )
    few = np.flatnonzero(network.redundancy() < _FEW_PAIRS)
    if few.size:
        found.append(
            Problem(
                f"Dates of a single pair: {_some([str(network.times[k])[:10] for k in few])}.",
                "An unwrapping error of that pair is fully in the displacement of the date and cannot be detected. Add pairs.",
            )
        )
    return found


def _dates(source: Source, totals: xr.Dataset) -> list[Problem]:
    rows = [row for row in date_table(source, totals) if row["tied"] != "-" and float(row["tied"]) < _HALF]
    if not rows:
        return []
    worst = min(rows, key=lambda row: float(row["tied"]))
    return [
        Problem(
            f"Dates tied to the reference date at less than {_HALF:.0f} % of the pixels with data: "
            f"{_some([row['date'] for row in rows])} ({worst['date']}: {worst['tied']} %).",
            "Maps of these dates have holes. Leave the dates out (--exclude-dates), loosen the masks, or use --gap subset.",
        )
    ]


_FLAG_PROBLEMS = {
    ("solver_flag", "dates_untied"): (
        "have dates that no chain of pairs ties to the first",
        "Those dates are empty, or in pieces with a level of their own: look at network_subset before comparing them.",
    ),
    ("solver_flag", "reference_date_missing"): (
        "lack the first date",
        "With --gap nan they are NaN at all dates; --gap subset keeps them, and their velocity.",
    ),
    ("solver_flag", "not_converged"): (
        "have not converged",
        "Give the robust norm more --max-iterations, and look at duality_gap until then.",
    ),
    ("fit_flag", "no_redundancy"): (
        "have no redundant date for the fit",
        "Their velocity has no standard error and cannot be checked. Mask them (fit_flag 2).",
    ),
    ("fit_flag", "undetermined_terms"): (
        "do not determine every term of the fit",
        "Use fewer terms, or mask them (fit_flag 3).",
    ),
    ("fit_flag", "too_few_observations"): (
        "have too few dates, or too little redundancy, for the fit",
        "They have no velocity. Loosen the masks or add pairs; lower --min-dates and --min-redundancy only to look at them.",
    ),
    ("unwrapping_flag", "ambiguous"): (
        "have unwrapping errors that the loops do not decide",
        "Some pairs there were left as they are. Try --norm l1, or --correct-unwrapping bridging first.",
    ),
}


def _flags(totals: xr.Dataset) -> list[Problem]:
    found = []
    for (flag, name), (what, remedy) in _FLAG_PROBLEMS.items():
        if f"pixels_{flag}" not in totals:
            continue
        counts = totals[f"pixels_{flag}"].values
        share = 100 * counts[FLAGS[flag].index(name)] / max(counts[1:].sum(), 1)
        if share >= _SOME:
            found.append(Problem(f"{share:.1f} % of the pixels with data {what}.", remedy))
    if "pixels_solver_flag" in totals:
        counts = totals.pixels_solver_flag.values
        share = 100 * counts[0] / counts.sum()
        if share >= _HALF:
            found.append(
                Problem(
                    f"{share:.1f} % of the pixels have no data.", "Are the masks and the no-data value what you want?"
                )
            )
    return found


def _reference(dataset: xr.Dataset) -> list[Problem]:
    place = reference_pixel(dataset)
    if place is None:
        return [
            Problem(
                "No reference point is recorded.",
                "All values are relative to whatever the input was referenced to; if it was not, they mean nothing.",
            )
        ]
    (row, col), (height, width) = place, (dataset.sizes["y"], dataset.sizes["x"])
    found = []
    margin = max(2, round(_EDGE * min(height, width)))
    if min(row, col, height - 1 - row, width - 1 - col) < margin:
        found.append(
            Problem(
                f"The reference (row {row}, column {col}) is at the edge of the image.",
                "Ramps and atmosphere grow with the distance from it. Choose one nearer to what you study.",
            )
        )
    if "temporal_coherence" in dataset:
        rows = slice(max(row - _AROUND, 0), row + _AROUND + 1)
        cols = slice(max(col - _AROUND, 0), col + _AROUND + 1)
        around = dataset.temporal_coherence.isel(y=rows, x=cols).values
        share = np.isfinite(around).mean()
        middle = float(np.nanmedian(around)) if share else 0.0
        if middle < _COHERENT or share < 0.5:
            found.append(
                Problem(
                    f"The ground around the reference is poor: median temporal coherence {middle:.2f}, "
                    f"{100 * share:.0f} % of its pixels with data.",
                    "Its noise and its unwrapping errors are in every value. Choose a coherent place, or an area.",
                )
            )
    return found


def _quality(source: Source, maps: xr.Dataset) -> list[Problem]:
    found, attrs = [], source.dataset.attrs
    coherence, rms, velocity = (_values(maps, name) for name in ("temporal_coherence", "residual_rms", "velocity"))
    if coherence.size and np.median(coherence) < _COHERENT:
        found.append(
            Problem(
                f"Half of the pixels have a temporal coherence below {np.median(coherence):.2f}.",
                "The pairs do not agree with one series. Mask pixels by it; look for unwrapping errors: insarray closure.",
            )
        )
    if rms.size and np.percentile(rms, 90) > _RESIDUAL:
        found.append(
            Problem(
                f"One pixel in ten has pair residuals of more than {np.percentile(rms, 90):.1f} rad (root mean square).",
                "Unwrapping errors leave such residuals: try insarray closure, --correct-unwrapping, or --norm l1.",
            )
        )
    if velocity.size:
        middle = float(np.median(velocity))
        spread = float(np.median(np.abs(velocity - middle)))
        if abs(middle) > 2 * spread:
            found.append(
                Problem(
                    f"The median velocity is {1e3 * middle:.1f} mm/yr, far from 0 for its spread "
                    f"({1e3 * spread:.1f} mm/yr, median absolute deviation).",
                    "If everything moves but the reference, the reference moves: choose another, insarray rereference.",
                )
            )
    span = _years(source.dataset)
    if span is not None and span < 1 and velocity.size:
        found.append(
            Problem(
                f"The dates span {span:.2f} years.",
                "In less than a year seasonal motion and atmosphere bias the velocity; its standard error does not include that.",
            )
        )
    if attrs.get("gap") in ("nsbas", "min_norm"):
        found.append(
            Problem(
                f"Pieces of the network were tied by an assumption (--gap {attrs['gap']}).",
                "Where network_subset is more than 1 the level is assumed, not observed.",
            )
        )
    return found


def _values(maps: xr.Dataset, name: str) -> np.ndarray:
    if name not in maps:
        return np.array([])
    values = maps[name].values
    return np.asarray(values[np.isfinite(values)], np.float64)


def _years(dataset: xr.Dataset) -> float | None:
    if "time" in dataset.coords:
        ends = dataset.time.values[[0, -1]]
    elif {"first_time", "last_time"} <= set(dataset.attrs):
        ends = np.array([dataset.attrs["first_time"], dataset.attrs["last_time"]], "datetime64[s]")
    else:
        return None
    return float((ends[1] - ends[0]) / np.timedelta64(1, "D")) / DAYS_PER_YEAR


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
