"""Self-contained HTML report of a result: its content, how it was made, and possible problems."""

from insarray.reports.page import report

__all__ = ["report"]
