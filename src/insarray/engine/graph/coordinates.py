"""Load the coordinates of pairs and dates."""

import xarray as xr


def with_coordinates_in_memory(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with its lazy coordinates computed, all at once, but for those of pixels."""
    lazy = [n for n, c in dataset.coords.items() if c.variable.chunks and not {"y", "x"} <= set(c.dims)]
    if not lazy:
        return dataset
    loaded = dataset.coords.to_dataset()[lazy].compute().variables
    return dataset.assign_coords({name: loaded[name] for name in lazy})
