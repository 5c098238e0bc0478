"""Statistics of the blocks of a run, and their totals, which do not depend on the order of the blocks."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np


def block_statistics(results: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return statistics of one block, small enough to keep for thousands of blocks.

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


class Totals:
    """Totals of ledger records; sums are exact until reported, so the order of the records does not matter."""

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        self.blocks = 0
        self._seconds = Fraction(0)
        self._numbers = dict.fromkeys(("pixels", "valid_pixels", "bytes"), 0)
        self._sums: dict[str, tuple[int, Fraction]] = {}
        self._counts: dict[str, Counter[str]] = {}
        for record in records:
            self.add(record)

    def add(self, record: Mapping[str, Any]) -> None:
        """Add the record of one block."""
        part = record["statistics"]
        self.blocks += 1
        self._seconds += Fraction(record["seconds"])
        for key in self._numbers:
            self._numbers[key] += part[key]
        for name, (number, total) in part["sums"].items():
            before = self._sums.get(name, (0, Fraction(0)))
            self._sums[name] = before[0] + number, before[1] + Fraction(total)
        for name, found in part["counts"].items():
            self._counts.setdefault(name, Counter()).update(found)

    def report(self) -> dict[str, Any]:
        """Return the totals.

        Returns
        -------
        dict
            blocks, pixels, valid_pixels, bytes; seconds of work of all blocks; means of the maps over their finite
            pixels; counts of their flags.
        """
        return {
            "blocks": self.blocks,
            **self._numbers,
            "seconds": round(float(self._seconds), 3),
            "means": {name: float(s) / n if n else None for name, (n, s) in sorted(self._sums.items())},
            "counts": {name: dict(sorted(found.items())) for name, found in sorted(self._counts.items())},
        }
