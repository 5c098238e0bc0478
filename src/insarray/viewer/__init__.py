"""A stored result as a page with a map and time series, from a small server or a folder of files."""
