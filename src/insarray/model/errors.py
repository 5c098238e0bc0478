"""Exceptions and warnings; each message names the argument or file, what was found and what to do."""

from insarray.model.secrets import shown
from insarray.model.text import printable


def _as_shown(argument: object) -> object:
    return printable(shown(argument)) if isinstance(argument, str) else argument


class InsarrayError(Exception):
    """Base class of all deliberate errors; `exit_code` is the exit status of the command line.

    Examples
    --------
    >>> import insarray as ia
    >>> try:
    ...     ia.simulate_stack(n_dates=1)
    ... except ia.InsarrayError as error:
    ...     print(type(error).__name__, error.exit_code)
    ArgumentError 2
    """

    exit_code = 2

    def __init__(self, *args: object) -> None:
        super().__init__(*map(_as_shown, args))


class ArgumentError(InsarrayError, ValueError):
    """An argument has an invalid value."""


class FileError(InsarrayError):
    """A file is missing, unreadable, truncated, or not what it claims to be."""


class StackError(InsarrayError):
    """Inputs do not belong together: grids, CRS, wavelengths, missing or duplicate pairs."""


class StackWarning(UserWarning):
    """Input files were interpreted in a way that the user may not expect."""

    def __init__(self, *args: object) -> None:
        super().__init__(*map(_as_shown, args))


class NetworkError(InsarrayError):
    """A pair network cannot be inverted as requested."""


class ReferencePointError(InsarrayError, ValueError):
    """A reference point or area is invalid."""


class StoreError(InsarrayError):
    """An output exists and is not an insarray store, or cannot be written."""


class PartialRunError(InsarrayError):
    """Some blocks could not be computed; the others are stored."""

    exit_code = 4


class ClusterError(InsarrayError):
    """The Dask cluster was lost; finished blocks are stored, so the run can be resumed."""

    exit_code = 5


class StoreMismatchError(StoreError):
    """The store is locked by another run, or holds the blocks of a different job."""

    exit_code = 6


class VerificationError(StoreError):
    """Stored data differ from what was written."""

    exit_code = 7
