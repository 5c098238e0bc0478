"""Blocks, plan, store and run: the only place where kernels meet dask, and products meet the disk."""
