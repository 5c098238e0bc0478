"""What a stack is, in numbers: what `insarray info` prints."""

from typing import Any

import numpy as np
import xarray as xr

from insarray.engine.plan import plan_run
from insarray.model.dataset import grid_of
from insarray.model.dates import date_label
from insarray.model.errors import InsarrayError
from insarray.products.stack import validate

_SAMPLED_BLOCKS = 9


def describe(stack: xr.Dataset, workers: int) -> dict[str, Any]:
    """Reader, sign, dates, wavelength, grid, network health, percent valid, bytes and blocks of a lazy stack.

    Reads up to nine blocks spread over the image for `percent_valid`; everything else comes from the headers.
    """
    network, grid = validate(stack), grid_of(stack)
    plan = plan_run(stack, workers)
    redundancy, components = network.redundancy(), network.n_components
    valid, sampled = _percent_valid(stack)
    position = grid.lonlat(grid.height / 2 - 0.5, grid.width / 2 - 0.5)
    summary: dict[str, Any] = {
        "reader": stack.attrs.get("product"),
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
        "percent_valid": round(valid, 2),
        "percent_valid_from_blocks": [sampled, plan.n_blocks],
        "gigabytes": round(sum(v.nbytes for v in stack.data_vars.values()) / 1e9, 3),
        "block": [max(plan.rows), max(plan.cols)],
        "blocks": plan.n_blocks,
        **_baselines(stack),
    }
    summary["warnings"] = _warnings(summary, stack)
    return summary


def _percent_valid(stack: xr.Dataset) -> tuple[float, int]:
    rows, cols = (np.cumsum([0, *stack.unwrapped_phase.chunksizes[dim]]) for dim in ("y", "x"))
    blocks = [(i, j) for i in range(len(rows) - 1) for j in range(len(cols) - 1)]
    chosen = [blocks[k] for k in np.unique(np.linspace(0, len(blocks) - 1, _SAMPLED_BLOCKS).round().astype(int))]
    good = total = 0
    for i, j in chosen:
        part = stack.unwrapped_phase.isel(y=slice(rows[i], rows[i + 1]), x=slice(cols[j], cols[j + 1])).values
        good += int(np.isfinite(part).sum())
        total += part.size
    return 100.0 * good / total, len(chosen)


def _baselines(stack: xr.Dataset) -> dict[str, Any]:
    network = validate(stack)
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
    reference = stack.coords.get("spatial_ref")
    if reference is None:
        return "radar coordinates"
    from pyproj import CRS

    crs = CRS.from_wkt(reference.attrs["crs_wkt"])
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
    if summary["percent_valid"] == 0:
        warnings.append("no valid sample was found: is the no-data value right?")
    return warnings
