"""Simulate atmospheric delay by turbulent screens."""

import numpy as np
from scipy.fft import fftfreq, irfft2, rfftfreq
from scipy.ndimage import gaussian_filter

_HIGHEST, _SCALE = 2000.0, 2000.0  # m: of the mountains, and of the air


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


def stratified_screens(
    rng: np.random.Generator, shape: tuple[int, int], n_dates: int, std: float
) -> tuple[np.ndarray, np.ndarray]:
    """Delay of each date as displacement in metres, shape (date, y, x), that depends on the height alone, and the heights.

    Air whose delay above the height h is proportional to exp(-h / 2 km), more or less of it at each date: `std` is the
    standard deviation over dates of the difference between the lowest and the highest ground.
    """
    hills = gaussian_filter(rng.normal(size=shape), 0.12 * min(shape), mode="wrap")
    height = _HIGHEST * (hills - hills.min()) / np.ptp(hills)
    amount = std * rng.normal(size=n_dates) / (1 - np.exp(-_HIGHEST / _SCALE))
    return amount[:, None, None] * np.exp(-height / _SCALE), height
