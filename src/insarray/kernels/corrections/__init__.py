"""Refractivity, tides, thin shell, height regressions, structure functions: arrays in, arrays out."""
