"""Perpendicular baselines of dates or pairs, matched by date to a network or to given dates."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from insarray.model.dates import date_label, first_of_pass, same_acquisition
from insarray.model.errors import StackError
from insarray.model.network import Network

ATTRS = {"units": "m", "long_name": "perpendicular baseline, secondary minus reference"}
ATTRS_OF_DATES = {"units": "m", "long_name": "perpendicular baseline of the date, up to a constant of all dates"}


class DateBaselines(NamedTuple):
    """Baselines of dates, and the misfit of the baselines of pairs.

    Parameters
    ----------
    baseline
        Metres, (time) or (time, y, x), zero at the first requested date.
    misclosure
        Given minus modelled baseline of each pair of the source in metres, (row) or (row, y, x), in the order of the
        source and with the earlier date as reference; None if the source is per date.
    """

    baseline: xr.DataArray
    misclosure: xr.DataArray | None


@dataclass(frozen=True, eq=False)
class BaselineTable:
    """Baselines in the order of their source; they are looked up by date, never by order.

    Create it with `per_date` or `per_pair`, which check their input.

    Parameters
    ----------
    source
        File name for messages.
    times
        Acquisition times of the source in ascending order, ``datetime64[s]``, shape (date,).
    ends
        Index in `times` of each row: shape (row, 1) for dates, (row, 2) for pairs with the earlier date first.
    values
        Metres, (row) or (row, y, x): relative to any one date, or later minus earlier date of a pair.
    """

    source: str
    times: np.ndarray
    ends: np.ndarray
    values: xr.DataArray

    @classmethod
    def per_date(cls, source: str, dates: Iterable[np.datetime64], values: xr.DataArray) -> "BaselineTable":
        """Create a table of baselines relative to one date, which need not be listed.

        Raises
        ------
        StackError
            If a date is listed twice, or there are no rows.
        """
        times, ends = _ends(source, [(date,) for date in dates])
        _require_once(source, "date", [date_label(times[date]) for (date,) in ends])
        return cls(source, times, ends, values)

    @classmethod
    def per_pair(
        cls, source: str, pairs: Iterable[tuple[np.datetime64, np.datetime64]], values: xr.DataArray
    ) -> "BaselineTable":
        """Create a table of baselines secondary minus reference; reversed pairs are swapped and negated.

        Raises
        ------
        StackError
            If a pair is listed twice, in either direction, or has the same date twice, or there are no rows.
        """
        times, ends = _ends(source, list(pairs))
        for first in ends[ends[:, 0] == ends[:, 1], 0]:
            raise StackError(
                f"{source}: a pair has {date_label(times[first])} as both of its dates; a pair has two different dates"
            )
        swapped = ends[:, 0] > ends[:, 1]
        ends = np.sort(ends, axis=1)
        _require_once(source, "pair", [f"{date_label(times[i])}_{date_label(times[j])}" for i, j in ends])
        if swapped.any():
            values = values * xr.DataArray(np.where(swapped, -1, 1).astype(values.dtype), dims="row")
        return cls(source, times, ends, values)

    @property
    def of_single_dates(self) -> bool:
        """Whether the source has one baseline per date, not per pair."""
        return bool(self.ends.shape[1] == 1)

    def of_pairs(self, network: Network) -> xr.DataArray:
        """Return the baselines of the pairs of a network in metres, secondary minus reference, (pair) or (pair, y, x).

        Raises
        ------
        StackError
            If a date or a pair of the network is not in the source, as nothing is interpolated or summed.
        """
        if self.of_single_dates:
            values = self.values.isel(row=self._rows_of_dates(network.times)).rename(row="pair")
            return (values.isel(pair=network.secondary) - values.isel(pair=network.reference)).assign_attrs(ATTRS)
        at = self._find(network.times)
        row_of = {(int(i), int(j)): row for row, (i, j) in enumerate(self.ends)}
        rows = [row_of.get((int(at[i]), int(at[j])), -1) for i, j in network.pairs]
        missing = [label for label, row in zip(network.labels, rows, strict=True) if row < 0]
        if missing:
            raise StackError(
                f"baselines: {len(missing)} of {network.n_pairs} pairs are not in the table: {_few(missing)}; "
                f"add them to {self.source}"
            )
        return self.values.isel(row=rows).rename(row="pair").assign_attrs(ATTRS)

    def of_dates(self, times: np.ndarray) -> DateBaselines:
        """Return the baselines of dates; those of pairs are converted by least squares.

        Parameters
        ----------
        times
            ``datetime64``, shape (time,), in any order.

        Raises
        ------
        StackError
            If a date is not in the source, or its pairs do not connect the requested dates.
        """
        times = times.astype("datetime64[s]")
        if self.of_single_dates:
            values = self.values.isel(row=self._rows_of_dates(times)).rename(row="time")
            return DateBaselines((values - values.isel(time=0)).assign_attrs(ATTRS_OF_DATES), None)
        at = self._find(times)
        self._require_found(times, at)
        network = Network(self.times, self.ends.astype(np.int32))
        piece = network.components()[at]
        if (piece != piece[0]).any():
            first, other = date_label(times[0]), date_label(times[np.flatnonzero(piece != piece[0])[0]])
            raise StackError(
                f"baselines: the pairs of {self.source} do not connect {other} with {first}; add a pair that does"
            )
        closing = xr.DataArray(network.closing().astype(self.values.dtype), dims=("time", "row"))
        closed = xr.dot(closing, self.values, dim="row")
        misclosure = self.values - (closed.isel(time=self.ends[:, 1]) - closed.isel(time=self.ends[:, 0])).rename(
            time="row"
        )
        return DateBaselines(
            (closed.isel(time=at) - closed.isel(time=int(at[0]))).assign_attrs(ATTRS_OF_DATES), misclosure
        )

    def _rows_of_dates(self, times: np.ndarray) -> np.ndarray:
        at = self._find(times)
        self._require_found(times, at)
        return np.asarray(np.argsort(self.ends[:, 0])[at])

    def _find(self, times: np.ndarray) -> np.ndarray:
        """Return the indices of the acquisitions `times` in the source, -1 for missing ones."""
        found = np.full(len(times), -1)
        for k, time in enumerate(times):
            same = np.flatnonzero(same_acquisition(self.times, time))
            if len(same) > 1:
                labels = ", ".join(date_label(self.times[row]) for row in same)
                raise StackError(f"baselines: {self.source} has {labels} for {date_label(time)}; keep one of them")
            if len(same) and same[0] in found:
                other = times[np.flatnonzero(found == same[0])[0]]
                raise StackError(
                    f"baselines: {self.source} has only {date_label(self.times[same[0]])} for {date_label(other)} and "
                    f"{date_label(time)}; give the times of day"
                )
            found[k] = same[0] if len(same) else -1
        return found

    def _require_found(self, times: np.ndarray, at: np.ndarray) -> None:
        missing = [date_label(time) for time in times[at < 0]]
        if missing:
            raise StackError(
                f"baselines: {len(missing)} of {len(times)} dates are not in {self.source}: {_few(missing)}; add them, "
                "baselines cannot be interpolated in time"
            )


def _ends(source: str, rows: Sequence[tuple[np.datetime64, ...]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the acquisition times of all rows, and the index of each date of each row in them."""
    if not rows:
        raise StackError(f"{source}: lists no baseline; it needs one row per date or pair")
    dates = np.array(rows, "datetime64[s]")
    first = first_of_pass(dates.ravel())
    times, index = np.unique(np.array([first[time] for time in dates.ravel()]), return_inverse=True)
    return times, index.reshape(dates.shape)


def _require_once(source: str, what: str, labels: Sequence[str]) -> None:
    double = [label for label, count in Counter(labels).items() if count > 1]
    if double:
        raise StackError(f"{source}: {what} {_few(double)} is listed more than once; keep one row")


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (" ..." if len(labels) > 5 else "")
