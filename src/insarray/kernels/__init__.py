"""Arrays in, arrays out: NumPy and Numba on (pair, pixel) and (time, pixel); no xarray, no dask, no files."""
