"""Tukey's biweight and the robust scale that it needs (Beaton & Tukey 1974, Technometrics 16)."""

import numpy as np

CUT = 4.685
"""Residual in standard deviations beyond which the weight is 0; the estimate is 95 % efficient for Gaussian noise."""

TO_DEVIATION = 1.4826
"""Standard deviation of Gaussian noise by its median absolute deviation."""


def biweight(residual: np.ndarray, scale: float) -> np.ndarray:
    """Return Tukey's weights, 0 to 1, of residuals with a robust standard deviation `scale`."""
    return np.asarray(np.clip(1.0 - (residual / (CUT * scale)) ** 2, 0.0, None) ** 2)
