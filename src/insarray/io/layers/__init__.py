"""Layers: windows of rasters, HDF5 and NetCDF, decoded, warped and masked, up to the lazy dataset."""
