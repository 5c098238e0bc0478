"""Format the summary of `insarray closure` as plain values or text."""

from typing import Any

import numpy as np
import xarray as xr

from insarray.model.dataset import loops_of, network_of

_SHOWN = 10


def closure_report(summary: xr.Dataset) -> dict[str, Any]:
    """Return a summary as plain values for ``--json``: pairs from worst to best, unchecked ones last."""
    network = network_of(summary)
    loops = loops_of(summary, network)
    names, walks = network.labels, loops.labels(network)
    share, drop = summary.pair_nonzero_fraction.values, summary.pair_drop_order.values
    rows = [
        {
            "pair": names[k],
            "loops": int(summary.pair_loops[k]),
            "pixels": int(summary.pair_pixels[k]),
            "nonzero_fraction": _number(share[k]),
            "closure_rms": _number(summary.pair_closure_rms.values[k]),
            "drop_order": int(drop[k]),
        }
        for k in np.argsort(-share, kind="stable")
    ]
    unclosed = np.flatnonzero(summary.loop_unclosed.values)
    unclosed = unclosed[np.argsort(-summary.loop_nonzero_fraction.values[unclosed], kind="stable")]
    observed, nonzero = summary.attrs["pixels_observed"], summary.attrs["pixels_nonzero"]
    named = np.flatnonzero(drop)
    return {
        "kind": summary.attrs["loops"],
        "loops": len(loops),
        "pairs": rows,
        "pixels_observed": observed,
        "pixels_nonzero": nonzero,
        "percent_nonzero": 100 * nonzero / observed if observed else None,
        "threshold": summary.attrs["threshold"],
        "loops_to_drop": [
            {"loop": walks[n], "nonzero_fraction": _number(summary.loop_nonzero_fraction.values[n])} for n in unclosed
        ],
        "pairs_to_drop": [names[k] for k in named[np.argsort(drop[named])]],
        "pairs_not_checked": [names[k] for k in np.flatnonzero(np.isnan(share))],
        **{name: value for name, value in summary.attrs.items() if name.startswith("reference_")},
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def closure_text(report: dict[str, Any]) -> str:
    """Return the summary as text for the terminal."""
    if report["percent_nonzero"] is None:
        return f"{report['loops']} loops of {len(report['pairs'])} pairs, none of them observed at any pixel"
    percent = 100 * report["threshold"]
    lines = [
        f"{report['loops']} loops of {len(report['pairs'])} pairs, {report['pixels_observed']} pixels with loops: "
        f"{report['percent_nonzero']:.2f} % of them have a non-zero integer closure",
        _reference(report),
        "worst pairs        loops     pixels  non-zero closures  rms of the rest",
    ]
    lines += [
        f"{row['pair']:17s} {row['loops']:6d} {row['pixels']:10d} {100 * row['nonzero_fraction']:16.2f} % "
        f"{row['closure_rms']:12.3f} rad"
        for row in report["pairs"][:_SHOWN]
        if row["nonzero_fraction"] is not None
    ]
    missing, loops, pairs = report["pairs_not_checked"], report["loops_to_drop"], report["pairs_to_drop"]
    if missing:
        lines.append(f"not checked, in no observed loop: {len(missing)} pairs ({_some(missing)})")
    if not loops:
        lines.append(f"no loop has non-zero closures in more than {percent:g} % of its pixels: nothing to drop")
        return "\n".join(lines)
    walks = [f"{loop['loop']} {100 * loop['nonzero_fraction']:.1f} %" for loop in loops]
    lines.append(f"loops with non-zero closures in more than {percent:g} % of their pixels: {len(loops)}")
    lines += [f"  {walk}" for walk in walks[:_SHOWN]]
    if len(walks) > _SHOWN:
        lines.append(f"  and {len(walks) - _SHOWN} more (--json lists all)")
    lines.append(f"pairs that explain them, the worst first: {len(pairs)}; leave out with")
    lines.append("  --exclude-pairs " + ",".join(pairs))
    return "\n".join(lines)


def _reference(report: dict[str, Any]) -> str:
    if "reference_area" in report:
        return "reference: rows {}:{}, columns {}:{}".format(*report["reference_area"])
    if "reference_row" in report:
        return f"reference: row {report['reference_row']}, column {report['reference_col']}"
    return "reference: none; the closure is right only if the stack is referenced already"


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
