"""Files of corrections: weather models, zenith delays, maps of electron content."""
