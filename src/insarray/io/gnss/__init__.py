"""Positions and velocities of GNSS stations, from the files of several centres."""
