"""Entry point of the command line: the program with all its commands."""

from insarray.cli import components_points_export, stacks_and_series  # noqa: F401  (their commands are registered)
from insarray.cli.program import cli

__all__ = ["cli"]
