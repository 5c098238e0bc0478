"""One page that says what a result holds, how it was made, and what may be wrong with it."""

from insarray.reports.page import report

__all__ = ["report"]
