"""Decode stored values to canonical ones, one pair at a time to keep temporaries small."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from insarray.io.files import name_of
from insarray.kernels.limits import require_coherence, value_range
from insarray.model.errors import StackError, StackWarning

NoData = float | None | tuple[float, ...]
"""Stored no-data values, in addition to NaN: none, one or several."""

_COHERENCE_TOLERANCE = 1e-3
_LARGEST_LABEL = 65534
_PI = np.float32(np.pi)
_PHASE_TOLERANCE = 1e-4  # radians; rounding error of phases written with few digits
_NO_LABEL = 65535


class Decode(Protocol):
    """Protocol of decoders, which convert the stored values of a pair to canonical ones."""

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the result."""

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode `raw` into `out`, both of shape (row, col); `name` is the file name for errors."""


@dataclass(frozen=True)
class PerFile:
    """Decoders of files that differ; each decoder treats its file as the only one."""

    decoders: tuple[Decode, ...]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """Data type of the result."""
        return self.decoders[0].dtype

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one pair."""
        self.decoders[pair](raw, out, 0, name)


def per_file(decoders: Sequence[Decode]) -> Decode:
    """Return one decoder if all are equal, else a decoder per file."""
    alike = all(decoder == decoders[0] for decoder in decoders)
    return decoders[0] if alike else PerFile(tuple(decoders))


@dataclass(frozen=True)
class PhaseDecode:
    """Unwrapped phase in radians, positive away from the satellite; NaN for NaN, infinities and `nodata`.

    Parameters
    ----------
    factors
        Radians (away from the satellite, later minus earlier date) per stored unit, one per pair or one for all.
    nodata
        Stored no-data values, in addition to NaN.
    """

    factors: tuple[float, ...]
    nodata: NoData = None
    dtype = np.dtype(np.float32)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one pair."""
        factor = self.factors[pair] if len(self.factors) > 1 else self.factors[0]
        narrow = raw.dtype.kind == "f" and raw.dtype.itemsize <= 4  # half precision must be widened
        with np.errstate(over="ignore", invalid="ignore"):  # no-data values may be the largest floats
            np.multiply(raw, np.float32(factor) if narrow else factor, out=out, casting="same_kind")
        out[_missing(raw, self.nodata)] = np.nan


@dataclass(frozen=True)
class WrappedPhaseDecode:
    """Wrapped phase in (-pi, pi] from complex numbers or radians; NaN for 0+0j, NaN, infinities and `nodata`.

    Parameters
    ----------
    signs
        Factor 1.0 or -1.0 of the phase, one per file or one for all.
    nodata
        Stored no-data values, in addition to NaN and 0+0j.
    """

    signs: tuple[float, ...]
    nodata: NoData = None
    dtype = np.dtype(np.float32)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one file; StackError for radians outside (-pi, pi]."""
        missing = _missing(raw, self.nodata)
        if raw.dtype.kind == "c":
            missing |= raw == 0
            np.arctan2(raw.imag, raw.real, out=out, casting="same_kind")
            out[missing] = np.nan
        else:
            with np.errstate(over="ignore"):
                out[...] = raw
            out[missing] = np.nan
            _require_wrapped(out, name)
        if (self.signs[pair] if len(self.signs) > 1 else self.signs[0]) < 0:
            np.negative(out, out=out)
        wrap_once(out)


def wrap_once(phase: np.ndarray) -> None:
    """Wrap phases in (-3 pi, 3 pi) to (-pi, pi], in place, float32."""
    phase[phase > _PI] -= 2 * _PI
    phase[phase <= -_PI] += 2 * _PI
    np.clip(phase, -_PI, _PI, out=phase)  # 2 pi is rounded in float32


def _require_wrapped(phase: np.ndarray, name: str) -> None:
    low, high = value_range(phase)
    if low < -_PI - _PHASE_TOLERANCE or high > _PI + _PHASE_TOLERANCE:
        raise StackError(
            f"{name}: holds values from {low:g} to {high:g}, outside -pi to pi radian; "
            "open unwrapped phase with open_stack, turn degrees into radians"
        )


@dataclass(frozen=True)
class CoherenceDecode:
    """Coherence in 0..1; NaN for NaN, infinities and `nodata`; bytes range from 0 = no-data to 255 = 1."""

    nodata: NoData = None
    scale: float = 1.0
    dtype = np.dtype(np.float32)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one pair; clip small excess over 0..1 from resampling, and raise StackError for larger excess."""
        missing = _missing(raw, self.nodata)
        if raw.dtype == np.uint8 and self.scale == 1.0:
            np.multiply(raw, np.float32(1 / 255), out=out)
            missing |= raw == 0
        else:
            with np.errstate(over="ignore", invalid="ignore"):
                np.multiply(raw, np.float32(self.scale), out=out, casting="same_kind")
        out[missing] = np.nan
        low, high = value_range(out)
        require_coherence(name, low, high)
        if low < -_COHERENCE_TOLERANCE or high > 1 + _COHERENCE_TOLERANCE:
            _say_clipped(name, low, high)
        np.clip(out, 0, 1, out=out)


_CLIPPED: set[str] = set()  # folders for which the warning was given


def _say_clipped(name: str, low: float, high: float) -> None:
    folder = name.removesuffix(name_of(name))
    if folder not in _CLIPPED:
        _CLIPPED.add(folder)
        warnings.warn(
            f"{name}: coherence from {low:.4g} to {high:.4g}, as resampling leaves it, is clipped to 0 to 1, here and in "
            "other files of its folder",
            StackWarning,
            stacklevel=2,
        )


@dataclass(frozen=True)
class ComponentDecode:
    """Labels of connected components; 0 for `nodata`, 65535, negative values and NaN."""

    nodata: NoData = None
    dtype = np.dtype(np.uint16)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one pair; StackError for labels that are not whole numbers up to 65534."""
        none = _missing(raw, self.nodata) | _missing(raw, _NO_LABEL) | (raw < 0)
        labels = np.where(none, 0, raw)
        if labels.size and float(labels.max()) > _LARGEST_LABEL:
            raise StackError(f"{name}: holds the component label {labels.max():g}; the largest possible is 65534")
        out[...] = labels
        if raw.dtype.kind == "f" and not np.array_equal(out, labels):
            raise StackError(f"{name}: holds labels that are not whole numbers; are they connected components?")


@dataclass(frozen=True)
class MapDecode:
    """Static map of floats: NaN for NaN, infinities and `nodata`."""

    nodata: NoData = None
    dtype = np.dtype(np.float32)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode the map."""
        with np.errstate(over="ignore", invalid="ignore"):
            out[...] = raw
        out[_missing(raw, self.nodata)] = np.nan


@dataclass(frozen=True)
class BoundedDecode:
    """Floats with known bounds; NaN for NaN, infinities and the values in `missing`.

    Parameters
    ----------
    what, unit
        Name and unit for the error.
    factor
        Factor from stored values to the unit.
    least, most
        Bounds in the unit; values outside raise StackError.
    missing
        Stored no-data values.
    """

    what: str
    unit: str
    factor: float
    least: float
    most: float
    missing: tuple[float, ...] = ()
    dtype = np.dtype(np.float32)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode one layer."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(raw, np.float32(self.factor), out=out, casting="same_kind")
        out[_missing(raw, self.missing)] = np.nan
        low, high = value_range(out)
        if low < self.least or high > self.most:
            raise StackError(
                f"{name}: holds {self.what} from {low:g} to {high:g}, outside {self.least:g} to {self.most:g} "
                f"{self.unit}; give it in this unit, or say in the file which one it has"
            )


@dataclass(frozen=True)
class MaskDecode:
    """Static mask: True where the stored value is neither zero, NaN nor `nodata`."""

    nodata: NoData = None
    dtype = np.dtype(np.bool_)

    def __call__(self, raw: np.ndarray, out: np.ndarray, pair: int, name: str) -> None:
        """Decode the mask."""
        out[...] = (raw != 0) & ~_missing(raw, self.nodata)


def also_missing(decode: Decode, values: tuple[float, ...]) -> Decode:
    """Return the decoder of a map with additional no-data values of a file."""
    if isinstance(decode, BoundedDecode):
        return replace(decode, missing=(*decode.missing, *values))
    if isinstance(decode, MapDecode | MaskDecode):
        known = decode.nodata if isinstance(decode.nodata, tuple) else (decode.nodata,)
        return replace(decode, nodata=(*(value for value in known if value is not None), *values))
    return decode


def _missing(raw: np.ndarray, nodata: NoData) -> np.ndarray:
    """Return where stored values are NaN, infinite or `nodata`, as a boolean array."""
    missing = ~np.isfinite(raw) if raw.dtype.kind in "fc" else np.zeros(raw.shape, bool)
    for value in nodata if isinstance(nodata, tuple) else (nodata,):
        if value is not None and math.isfinite(value) and _fits(value, raw.dtype):
            # compare in the type of the file: -9999.9 as float32 differs from -9999.9
            missing |= raw == raw.dtype.type(value)
    return missing


def _fits(value: float, dtype: np.dtype[np.generic]) -> bool:
    if dtype.kind in "fc":
        return abs(value) <= float(np.finfo(dtype.name).max)
    limits = np.iinfo(dtype.name)
    return float(value).is_integer() and limits.min <= value <= limits.max
