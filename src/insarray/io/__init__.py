"""From files to the lazy stack: one module per product behind one small protocol (`source`)."""

from insarray.io.open import open_stack as open_stack
from insarray.io.wrapped.open import open_wrapped as open_wrapped

__all__ = ["open_stack", "open_wrapped"]
