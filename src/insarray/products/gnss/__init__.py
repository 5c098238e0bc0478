"""InSAR against GNSS: comparison at stations, and velocities and series tied to them."""
