"""Layers: windows of rasters, HDF5 and NetCDF, decoded, warped and masked, combined into the lazy dataset."""
