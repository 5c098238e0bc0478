"""Cells of a table as numbers, from the bytes of its lines."""

import numpy as np

from insarray.kernels.compiled import jit

SKIPPED, TEXT = -1, -2
"""Kinds of columns that are no numbers: not looked at, and of which the position is wanted; further ones are TEXT - 1, ..."""

_SPACE, _PLUS, _MINUS, _POINT, _ZERO, _NINE = 32, 43, 45, 46, 48, 57
_LOWER, _A, _E, _N = 32, 97, 101, 110
_MOST = (2**63 - 10) // 10  # another digit fits below it
_EXACT = 22  # the largest power of ten that a double has exactly
_POWERS = 10.0 ** np.arange(_EXACT + 1)


@jit
def parse_cells(
    text: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    delimiter: int,
    kinds: np.ndarray,
    values: np.ndarray,
    spans: np.ndarray,
) -> np.ndarray:
    """Parse lines without quotation marks; returns whether each was understood.

    A number of up to 15 digits has the bits that Python's `float` gives, one of up to 18 is within one unit in the last
    place. Empty cells and ``nan`` are NaN. Lines with anything else, or another number of cells, are left to the caller.

    Parameters
    ----------
    text
        Bytes of the lines (uint8).
    starts, stops
        Where each line begins and ends.
    delimiter
        Byte between cells.
    kinds
        Of each column: index of its number in a row of `values`, SKIPPED, or TEXT and below.
    values
        (line, number), filled.
    spans
        (line, text column, 2), filled with begin and end of the cells of TEXT columns.
    """
    good = np.zeros(starts.size, np.bool_)
    for line in range(starts.size):
        at, column, fine, blank = starts[line], 0, True, True
        while fine and column < kinds.size:
            end = at
            while end < stops[line] and text[end] != delimiter:
                end += 1
            kind = kinds[column]
            blank = blank and end == at
            if kind >= 0:
                values[line, kind], fine = _number(text, at, end)
            elif kind <= TEXT:
                spans[line, TEXT - kind, 0], spans[line, TEXT - kind, 1] = at, end
            column += 1
            at = end + 1
            if end == stops[line]:
                break
        good[line] = fine and not blank and column == kinds.size and at > stops[line]
    return good


@jit
def _number(text: np.ndarray, first: int, last: int) -> tuple[float, bool]:
    """Return the number in a cell, and whether it is one; also False for numbers of many digits."""
    while first < last and text[first] == _SPACE:
        first += 1
    while first < last and text[last - 1] == _SPACE:
        last -= 1
    if first == last:
        return np.nan, True
    negative = text[first] == _MINUS
    if negative or text[first] == _PLUS:
        first += 1
    if (
        last - first == 3
        and text[first] | _LOWER == _N
        and text[first + 1] | _LOWER == _A
        and text[first + 2] | _LOWER == _N
    ):
        return np.nan, True
    digits, scale, at, fine = _digits(text, first, last)
    if at < last:
        power, fine_power = _exponent(text, at, last)
        scale, fine = scale + power, fine and fine_power
    if not fine or abs(scale) > _EXACT:
        return np.nan, False
    value = digits / _POWERS[-scale] if scale < 0 else digits * _POWERS[scale]
    return -value if negative else value, True


@jit
def _digits(text: np.ndarray, first: int, last: int) -> tuple[int, int, int, bool]:
    """Return the digits as a whole number, the power of ten that belongs to it, where they end, and whether there are any."""
    whole, scale, any_digit, point, at = 0, 0, False, False, first
    while at < last:
        letter = text[at]
        if _ZERO <= letter <= _NINE:
            if whole > _MOST:
                return whole, scale, at, False
            whole = whole * 10 + int(letter) - _ZERO
            scale -= int(point)
            any_digit = True
        elif letter == _POINT and not point:
            point = True
        else:
            break
        at += 1
    return whole, scale, at, any_digit


@jit
def _exponent(text: np.ndarray, first: int, last: int) -> tuple[int, bool]:
    """Return the exponent after an e, and whether there is one of one to three digits."""
    at, power = first + 1, 0
    negative = at < last and text[at] == _MINUS
    if negative or (at < last and text[at] == _PLUS):
        at += 1
    fine = (text[first] | _LOWER) == _E and 0 < last - at <= 3
    while fine and at < last:
        fine = _ZERO <= text[at] <= _NINE
        power = power * 10 + int(text[at]) - _ZERO
        at += 1
    return -power if negative else power, fine
