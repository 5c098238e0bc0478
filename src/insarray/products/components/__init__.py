"""East, north and up of several tracks, and the frame that motion is relative to."""
