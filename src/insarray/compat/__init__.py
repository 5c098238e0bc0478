"""Functions of MintPy and dolphin on our kernels: their names, arguments and return values, with NumPy arrays.

`insarray.compat.mintpy` and `insarray.compat.dolphin`. Where the result of the other package is wrong, or claims more
than was observed, the same call returns the correct result here, and the Notes of the function list the difference.
With ``strict=True`` a call either returns the other package's result or raises an error. `insarray.compat.spurt` is the
command line of spurt.
"""
