"""What the blocks of a run say of themselves, and their sum, which does not depend on the order they finish in."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def block_statistics(results: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Numbers of one block, of which thousands can be kept.

    Parameters
    ----------
    results
        Arrays (..., row, col) by name.

    Returns
    -------
    dict
        pixels; valid_pixels, which have a finite value in some floating-point variable; bytes before compression;
        sums, (number of finite pixels, their sum) of each floating-point map; counts, pixels by value of each map whose
        name ends in ``_flag``.
    """
    pixels = next(iter(results.values())).shape[-2:]
    valid = np.zeros(pixels, bool)
    sums, counts = {}, {}
    for name, values in results.items():
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            valid |= finite.reshape(-1, *pixels).any(axis=0)
            if values.ndim == 2:
                sums[name] = (int(finite.sum()), float(values[finite].sum(dtype=np.float64)))
        elif values.ndim == 2 and name.endswith("_flag"):
            found, number = np.unique(values, return_counts=True)
            counts[name] = {str(value): int(n) for value, n in zip(found, number, strict=True)}
    return {
        "pixels": math.prod(pixels),
        "valid_pixels": int(valid.sum()),
        "bytes": sum(values.nbytes for values in results.values()),
        "sums": sums,
        "counts": counts,
    }


def add_up(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum of ledger records; counts are whole numbers and sums are rounded once, so their order does not matter.

    Returns
    -------
    dict
        blocks, pixels, valid_pixels, bytes; seconds of work of all blocks; means of the maps over their finite pixels;
        counts of their flags.
    """
    rows = list(records)
    parts = [row["statistics"] for row in rows]
    counts: dict[str, Counter[str]] = {}
    for part in parts:
        for name, found in part["counts"].items():
            counts.setdefault(name, Counter()).update(found)
    names = sorted({name for part in parts for name in part["sums"]})
    means = {}
    for name in names:
        number = sum(part["sums"][name][0] for part in parts)
        means[name] = math.fsum(part["sums"][name][1] for part in parts) / number if number else None
    return {
        "blocks": len(rows),
        **{key: sum(part[key] for part in parts) for key in ("pixels", "valid_pixels", "bytes")},
        "seconds": round(math.fsum(row["seconds"] for row in rows), 3),
        "means": means,
        "counts": {name: {value: counts[name][value] for value in sorted(counts[name])} for name in sorted(counts)},
    }
