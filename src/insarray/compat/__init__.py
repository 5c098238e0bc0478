"""Functions of other packages over our kernels: their names, arguments and return values, NumPy arrays in and out.

`insarray.compat.mintpy` and `insarray.compat.dolphin`. Where the answer of the other package is wrong or says more
than was observed, that of the same call here is right, and the function's Notes list the difference. With
``strict=True`` a call either returns the other package's answer or raises an error.
"""
