"""Read the geometry of a stack or series (angles, heights, baselines) from files."""
