"""Links between points: arcs, velocity and DEM error from the periodogram, integration over arcs."""
