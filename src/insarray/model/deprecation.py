"""Deprecation of renamed arguments: old names work for a while, with a warning."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from insarray.model.errors import ArgumentError

Function = TypeVar("Function", bound=Callable[..., Any])


class DeprecatedNameWarning(FutureWarning):
    """Use of an old name that will be removed; the message gives the new one."""


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that `old` has been renamed to `new`."""
    warnings.warn(f"{old} is called {new} now; the old name will go", DeprecatedNameWarning, stacklevel=stacklevel)


def renamed(**names: str) -> Callable[[Function], Function]:
    """Decorate a function with renamed keyword arguments: ``@renamed(old="new")``."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def call(*args: Any, **keywords: Any) -> Any:
            for old, new in names.items():
                if old in keywords:
                    if new in keywords:
                        raise ArgumentError(f"{old}: is the old name of {new}; give {new} alone")
                    warn_renamed(old, new)
                    keywords[new] = keywords.pop(old)
            return function(*args, **keywords)

        return call  # type: ignore[return-value]

    return decorate
