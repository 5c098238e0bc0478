"""From files to the lazy stack: one module per product behind one small protocol (`source`)."""

from insarray.io.open import open_stack as open_stack

__all__ = ["open_stack"]
