"""Dask graphs of lazy datasets: tasks, memory and inputs of a block, selections."""
