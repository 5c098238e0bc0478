"""Components of motion: east, north and up from lines of sight; maps sampled on other grids; motion of plates."""
