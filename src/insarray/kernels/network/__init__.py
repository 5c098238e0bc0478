"""Pair networks: weighted least squares by elimination of dates, pieces and gaps, misfit."""
