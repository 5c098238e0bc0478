"""Register the accessors ``.insar`` and ``.rio`` once xarray is imported, without importing it.

``insarray --help`` does not need xarray, whose import takes ten times as long as all others. If a program imports
xarray before or after insarray, the accessors are registered as soon as both are imported.
"""

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def register() -> None:
    """Register the accessors now if xarray is imported already, else when it is imported."""
    if "xarray" in sys.modules:
        importlib.import_module("insarray.backend")
    elif not any(isinstance(finder, _WithXarray) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WithXarray())


class _WithXarray:
    """Meta path finder that registers the accessors after the import of xarray, and then removes itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Return the spec of the other finders, with the registration added to its loader."""
        if fullname != "xarray":
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        spec = next(filter(None, (finder.find_spec(fullname, path, target) for finder in others)), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                importlib.import_module("insarray.backend")

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec
