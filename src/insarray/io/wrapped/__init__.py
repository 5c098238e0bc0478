"""Wrapped phase against one reference date, from rasters or from one file."""
