"""Simulate atmospheric delay by turbulent screens."""

import numpy as np
from scipy.fft import fftfreq, irfft2, rfftfreq


def turbulent_screens(rng: np.random.Generator, shape: tuple[int, int], n_dates: int, std: float) -> np.ndarray:
    """Return the delay of each date as displacement in metres, (date, y, x): turbulent screens, independent in time."""
    screens = np.zeros((n_dates, *shape))
    if std == 0:
        return screens
    size = 2 * shape[0], 2 * shape[1]  # twice the image: a periodic screen would have no trend
    wavenumber = np.hypot(fftfreq(size[0])[:, None], rfftfreq(size[1]))
    wavenumber[0, 0] = np.inf
    amplitude = wavenumber ** (-8 / 3 / 2)
    for screen in screens:
        white = rng.normal(size=amplitude.shape) + 1j * rng.normal(size=amplitude.shape)
        screen[:] = irfft2(white * amplitude, s=size)[: shape[0], : shape[1]]
        screen *= std * rng.uniform(0.5, 1.5) / screen.std()
    return screens
