"""Time functions: least squares with few columns, bootstrap, covariance between dates."""
