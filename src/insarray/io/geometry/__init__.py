"""Geometry of a stack or series: angles, heights and baselines, from files."""
