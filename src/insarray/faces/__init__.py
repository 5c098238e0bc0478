"""Faces to the user: command line, plots, exports."""
