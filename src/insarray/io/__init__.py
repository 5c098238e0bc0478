"""Read files into lazy stacks: one module per product, behind the protocol in `source`."""

from insarray.io.open import open_stack as open_stack
from insarray.io.wrapped.open import open_wrapped as open_wrapped

__all__ = ["open_stack", "open_wrapped"]
