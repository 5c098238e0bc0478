"""Columns of time models from their formulas, names, and what cannot be."""

import numpy as np
import pytest

from insarray.model.errors import ArgumentError
from insarray.model.time_model import TimeModel

TIMES = np.array(["2020-01-01", "2020-03-01", "2020-09-15", "2021-06-30"], "datetime64[ns]")
T = (TIMES - TIMES[0]) / np.timedelta64(86400, "s") / 365.25


def test_columns_are_their_formulas():
    model = TimeModel(
        degree=3,
        periods=(1.0, 0.7),
        steps=("2020-03-01", "2020-09-15T12:00"),
        velocity_changes=("20200301",),
        exponentials=(("2020-03-01", 60.0),),
        logarithms=(("2020-03-01", 30.0),),
    )
    after = np.maximum(T - T[1], 0)
    expected = {
        "velocity": T,
        "acceleration": T**2 / 2,
        "jerk": T**3 / 6,
        "cosine_1": np.cos(2 * np.pi * T),
        "sine_1": np.sin(2 * np.pi * T),
        "cosine_0.7": np.cos(2 * np.pi * T / 0.7),
        "sine_0.7": np.sin(2 * np.pi * T / 0.7),
        "step_20200301": [0, 1, 1, 1],
        "step_20200915T120000": [0, 0, 0, 1],
        "velocity_change_20200301": after,
        "exponential_20200301_60d": 1 - np.exp(-after * 365.25 / 60),
        "logarithmic_20200301_30d": np.log(1 + after * 365.25 / 30),
    }
    assert model.names == tuple(expected)
    np.testing.assert_allclose(model.design(TIMES, TIMES[0]), np.column_stack(list(expected.values())), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 4}, "degree: 4"),
        ({"degree": -1}, "degree: -1"),
        ({"degree": 0}, "no term but the constant"),
        ({"periods": (0.0,)}, "periods: 0.0"),
        ({"periods": (1.0, 1.0)}, "cosine_1, sine_1 comes twice"),
        ({"steps": ("nonsense",)}, "nonsense"),
        ({"steps": ("2020-03-01", "20200301")}, "step_20200301 comes twice"),
        ({"exponentials": (("2020-03-01", 0.0),)}, "exponentials: 0.0"),
        ({"logarithms": (("2020-03-01", -3.0),)}, "logarithms: -3.0"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ArgumentError, match=message):
        TimeModel(**options)
