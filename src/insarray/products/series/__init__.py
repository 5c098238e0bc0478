"""Displacement time series: inversion, residuals, reference, ramps, covariance."""
