"""Displacement series: inversion, residuals, reference, ramps, covariance."""
