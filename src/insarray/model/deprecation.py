"""Names that have changed: the old one works for some time, and says what it is called now."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from insarray.model.errors import ArgumentError

Function = TypeVar("Function", bound=Callable[..., Any])


class DeprecatedNameWarning(FutureWarning):
    """A name that will go; the message has the one to use."""


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warn that `old` is called `new` now."""
    warnings.warn(f"{old} is called {new} now; the old name will go", DeprecatedNameWarning, stacklevel=stacklevel)


def renamed(**names: str) -> Callable[[Function], Function]:
    """Decorator of a function some of whose keywords have new names: ``@renamed(old="new")``."""

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
