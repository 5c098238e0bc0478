"""Summaries of stacks and points, as printed by `insarray info`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.plan import Plan, plan_run
from insarray.model.dataset import crs_of
from insarray.model.dates import date_label
from insarray.model.errors import InsarrayError
from insarray.model.network import Network
from insarray.products.series.inversion import invert
from insarray.products.views.stacks import as_stack

_SAMPLED_BLOCKS = 9
_LISTED = 5
_LARGE_MISCLOSURE = 10.0  # metres; the pairs of one processor close to within decimetres


def describe(stack: xr.Dataset, workers: int) -> dict[str, Any]:
    """Summarise a lazy stack: reader, sign, dates, wavelength, grid, network, valid samples, memory.

    Reads up to nine blocks spread over the image for the valid samples; everything else is from the headers.

    Parameters
    ----------
    stack
        Stack from `insarray.open_stack`.
    workers
        Number of blocks processed at the same time, for `peak_gigabytes` of an inversion.

    Returns
    -------
    dict
        Plain values, with text in `notes` (how the files were interpreted) and `warnings` (possible problems).
    """
    view = as_stack(stack)
    stack, network, grid = view.data, view.network, view.grid
    plan = plan_run(stack, workers)
    redundancy, components = network.redundancy(), network.n_components
    sample, sampled = _sample(stack, plan, network.labels)
    position = grid.lonlat(grid.height / 2 - 0.5, grid.width / 2 - 0.5)
    summary: dict[str, Any] = {
        "reader": stack.attrs.get("product"),
        "recognised_by": stack.attrs.get("recognised_by"),
        "files": stack.attrs.get("input_files"),
        "sign": f"in the files, positive is {stack.attrs.get('source_sign', 'away')}; phase is kept positive away",
        "units": stack.attrs.get("source_units"),
        "wavelength_m": stack.attrs.get("wavelength"),
        "looks": stack.attrs.get("looks"),
        "layers": [str(name) for name in stack.data_vars],
        "first_date": date_label(network.times[0]),
        "last_date": date_label(network.times[-1]),
        "dates": network.n_dates,
        "pairs": network.n_pairs,
        "components": components,
        "redundant_pairs": network.n_pairs - network.n_dates + components,
        "triplets": len(network.triplets()),
        "fewest_pairs_at_a_date": int(redundancy.min()),
        "longest_pair_days": float(network.temporal_baseline.max()),
        "rows": grid.height,
        "columns": grid.width,
        "pixel": [abs(grid.dx), abs(grid.dy)],
        "crs": _crs(stack),
        "centre_lonlat": position,
        **sample,
        "sampled_blocks": [sampled, plan.n_blocks],
        "gigabytes": round(sum(v.nbytes for v in stack.data_vars.values()) / 1e9, 3),
        "block": [max(plan.rows), max(plan.cols)],
        "blocks": plan.n_blocks,
        "peak_gigabytes": _peak(stack, workers),
        **_baselines(network),
        "notes": list(stack.attrs.get("notes", [])),
    }
    summary["warnings"] = _warnings(summary, stack)
    return summary


def describe_points(points: xr.Dataset) -> dict[str, Any]:
    """Summarise a time series of points, as `describe` does for stacks.

    Parameters
    ----------
    points
        Points from `insarray.open_points`.
    """
    times, values = points["time"].values.astype("datetime64[s]"), points["displacement"].values
    bounds = [float(f(points[dim].values)) for f in (np.min, np.max) for dim in ("x", "y")]
    return {
        "reader": points.attrs.get("product"),
        "sign": points.attrs.get("sign"),
        "layers": [str(name) for name in points.data_vars],
        "first_date": date_label(times[0]),
        "last_date": date_label(times[-1]),
        "dates": len(times),
        "points": points.sizes["point"],
        "crs": _crs(points),
        "bounds": bounds,
        "percent_valid": round(100 * float(np.isfinite(values).mean()), 2),
        "displacement_m": [float(np.nanmin(values)), float(np.nanmax(values))] if np.isfinite(values).any() else None,
        "notes": list(points.attrs.get("notes", [])),
        "warnings": [],
    }


def _sample(stack: xr.Dataset, plan: Plan, labels: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Return fractions of valid samples and of component 0, mean coherence and empty pairs in some blocks."""
    blocks = [(i, j) for i in range(len(plan.rows)) for j in range(len(plan.cols))]
    chosen = [blocks[k] for k in np.unique(np.linspace(0, len(blocks) - 1, _SAMPLED_BLOCKS).round().astype(int))]
    total = good = unlabelled = 0
    seen = np.zeros(stack.sizes["pair"], bool)
    coherence, complete, pixels = 0.0, 0, 0
    for i, j in chosen:
        rows, cols = plan.window(i, j)
        part = stack.isel(y=rows, x=cols)
        valid = np.isfinite(part["unwrapped_phase"].values)
        seen |= valid.any(axis=(1, 2))
        total, good = total + valid.size, good + int(valid.sum())
        complete, pixels = complete + int(valid.all(axis=0).sum()), pixels + valid[0].size
        if "coherence" in part:
            coherence += float(np.where(valid, np.nan_to_num(part["coherence"].values), 0).sum(dtype=np.float64))
        if "connected_component_labels" in part:
            unlabelled += int((valid & (part["connected_component_labels"].values == 0)).sum())
    found: dict[str, Any] = {
        "percent_valid": round(100 * good / total, 2),
        "percent_of_pixels_complete": round(100 * complete / pixels, 2),
        "empty_pairs": [label for label, some in zip(labels, seen, strict=True) if not some],
    }
    if "coherence" in stack:
        found["mean_coherence"] = round(coherence / max(good, 1), 3)
    if "connected_component_labels" in stack:
        found["percent_in_component_0"] = round(100 * unlabelled / max(good, 1), 2)
    return found, len(chosen)


def _peak(stack: xr.Dataset, workers: int) -> float:
    """Return the memory of `insarray invert` with default options in one process."""
    nominal = stack if "wavelength" in stack.attrs else stack.assign_attrs(wavelength=0.05)
    series = invert(nominal, reference=None, gap="subset")  # accepts any network, with the memory of "nan"
    return round(plan_run(series, workers).peak_bytes / 1e9, 2)


def _baselines(network: Network) -> dict[str, Any]:
    if network.perpendicular_baseline is None:
        return {"perpendicular_baselines": None}
    try:
        baseline, misclosure = network.date_baselines()
    except InsarrayError as error:
        return {"perpendicular_baselines": str(error)}
    return {
        "perpendicular_baselines": [round(float(baseline.min()), 1), round(float(baseline.max()), 1)],
        "baseline_misclosure_rms_m": round(float(np.sqrt(np.mean(misclosure**2))), 3),
    }


def _crs(stack: xr.Dataset) -> str:
    found = crs_of(stack)
    if found is None:
        return "radar coordinates"
    from pyproj import CRS

    crs = CRS.from_wkt(found)
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.name


def _warnings(summary: dict[str, Any], stack: xr.Dataset) -> list[str]:
    warnings = []
    if summary["components"] > 1:
        warnings.append(f"the network falls into {summary['components']} pieces: choose --gap, or add pairs")
    if summary["wavelength_m"] is None:
        warnings.append("the wavelength is unknown: displacement needs it, give --wavelength")
    if summary["fewest_pairs_at_a_date"] < 2:
        warnings.append("some date has a single pair: an unwrapping error there cannot be noticed")
    if "coherence" not in stack:
        warnings.append("no coherence: weights and coherence masks are not available")
    elif summary["looks"] is None:
        warnings.append(
            "the number of looks is unknown: the weights 'variance' and 'fisher' of invert will need --looks"
        )
    if summary["empty_pairs"] and summary["percent_valid"] > 0:
        listed = " ".join(summary["empty_pairs"][:_LISTED]) + (" ..." if len(summary["empty_pairs"]) > _LISTED else "")
        where = "at all" if summary["sampled_blocks"][0] == summary["blocks"] else "in the blocks looked at"
        warnings.append(f"pairs without any data {where}: {listed}; leave them out with --exclude-pairs")
    if summary["percent_valid"] == 0:
        warnings.append("no valid sample was found: is the no-data value right?")
    if summary["perpendicular_baselines"] is None:
        warnings.append("no perpendicular baselines: height errors cannot be fitted, give --baselines for them")
    if summary.get("baseline_misclosure_rms_m", 0) > _LARGE_MISCLOSURE:
        warnings.append(
            f"the baselines of the pairs close to {summary['baseline_misclosure_rms_m']} m only: do their signs agree?"
        )
    return warnings
