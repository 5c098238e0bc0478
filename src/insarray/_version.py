"""Version of the package, written by the build from the tag.

A checkout that was never built has none; see `hatch-vcs` in ``pyproject.toml``.
"""

try:
    from insarray._built_version import __version__
except ModuleNotFoundError:
    __version__ = "0.1.0.dev0"

__all__ = ["__version__"]
