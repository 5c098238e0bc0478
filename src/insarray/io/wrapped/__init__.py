"""Open wrapped phase relative to one reference date, from rasters or a single file."""
