"""Blocks, plans, stores and runs: the only layer that knows Dask and writes stores."""
