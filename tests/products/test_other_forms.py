"""The same data in another form (transposed, chunked, in a file) are taken; likely slips of units are refused in one line."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.errors import ArgumentError, StackError
from tests.stacks import stack_of


@pytest.fixture(scope="module")
def stack():
    return stack_of(missing=0.0, block=None)


@pytest.fixture(scope="module")
def series(stack):
    return ia.invert(stack, reference=None)


def test_a_transposed_series_has_the_same_report(series, tmp_path):
    pages = []
    for name, data in {"straight": series, "transposed": series.transpose("x", ...)}.items():
        path = ia.report(data, tmp_path / f"{name}.html", title="Report")
        pages.append(path.read_text(encoding="utf-8"))
    assert pages[0].count("<svg") == pages[1].count("<svg") > 0
    assert len(pages[0]) == len(pages[1])


def test_a_report_says_why_one_date_or_points_have_none(series, tmp_path):
    with pytest.raises(ArgumentError, match="give a whole series, or maps without it"):
        ia.report(series.isel(time=0), tmp_path / "date.html")
    with pytest.raises(ArgumentError, match="points have no report"):
        ia.report(series.stack(point=("y", "x")).reset_index("point"), tmp_path / "points.html")


def test_a_transposed_series_has_the_same_history(series):
    drawn = [ia.plot.point(data, row=5, col=6).lines for data in (series, series.transpose("x", "y", ...))]
    for one, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one.get_ydata(), other.get_ydata())
    with pytest.raises(ArgumentError, match=r"no displacement \(time, y, x\)"):
        ia.plot.point(series.isel(time=0), row=5, col=6)


@pytest.mark.parametrize("chunks", [{"time": 3, "pair": 4}, {"time": 1, "pair": 1, "y": 8}])
@pytest.mark.parametrize("what", ["weights of pairs", "weights of dates", "covariance", "correction"])
def test_arguments_may_be_chunked_along_time_or_pairs_where_the_data_are_in_memory(stack, series, what, chunks):
    def found(chunked):
        if what == "weights of pairs":
            return ia.invert(stack, weights=chunked(stack.coherence * 1), reference=None)
        if what == "correction":
            delay = xr.zeros_like(series.displacement) + 0.001 * series.time.dt.dayofyear
            return ia.correct(
                series, {"troposphere": chunked(delay.transpose("time", "y", "x").assign_attrs(units="m"))}
            )
        if what == "weights of dates":
            return ia.fit(series, weights=chunked(1 + abs(series.displacement)))
        variances = (1e-6 + series.displacement**2).assign_attrs(units="m^2")
        return ia.fit(series, covariance=chunked(variances), weights="covariance", uncertainty="covariance")

    def chunked(array):
        return array.chunk({dim: size for dim, size in chunks.items() if dim in array.dims})

    assert chunked(series.displacement).chunks is not None
    xr.testing.assert_equal(found(chunked).compute(), found(lambda array: array))


FILES = {
    "tide": lambda series: ia.solid_earth_tide(
        series, time_of_day="06:00", incidence_angle=35.0, heading=-13.0
    ).to_dataset(name="solid_earth_tide"),
    "line of sight": lambda series: ia.line_of_sight(series, incidence_angle=35.0, heading=-13.0),
    "own names": lambda series: xr.Dataset({"anything": ("station", [1.0, 2.0])}),
}


@pytest.mark.parametrize("what", FILES)
def test_what_to_netcdf_writes_is_opened(series, what, tmp_path):
    data = FILES[what](series)
    data = data if isinstance(data, xr.Dataset) else xr.Dataset(dict(data))
    path = ia.to_netcdf(data, tmp_path / "data.nc")
    found = ia.open(path)
    assert set(found.data_vars) == set(data.data_vars)
    for name in data.data_vars:
        np.testing.assert_array_equal(found[name], data[name])


def test_a_stack_written_by_to_netcdf_is_still_a_stack(stack, tmp_path):
    path = ia.to_netcdf(stack, tmp_path / "stack.nc")
    with pytest.raises(Exception, match="open_stack"):
        ia.open(path)
    np.testing.assert_array_equal(ia.open_stack(path).unwrapped_phase, stack.unwrapped_phase)


def test_a_quality_mask_has_only_its_own_attributes(series):
    layers = {"solver_flag": {"exclude_flags": "not_converged"}, "temporal_coherence": {"min_temporal_coherence": 0.5}}
    for name, criterion in layers.items():
        marked = series.assign({name: series[name].assign_attrs(gap="nan", flag_values=[0, 1])})
        found = ia.quality_mask(marked, **criterion)
        assert set(found.attrs) == {"units", "long_name", "criteria"}
        assert found.y.attrs == series.y.attrs


@pytest.mark.parametrize("dim", ["y", "x"])
def test_rows_in_another_order_name_the_remedy(series, dim):
    shuffled = series.isel({dim: [3, 1, 2, 0, 4]})
    with pytest.raises(StackError, match=rf"sort it \(\.sortby\('{dim}'\)\)"):
        ia.deramp(shuffled)
    assert ia.deramp(shuffled.sortby(dim)).displacement.notnull().any()


def test_percentiles_as_fractions_are_refused(series):
    place = {"lonlat": [(-105.0, 37.0)]}
    with pytest.raises(ArgumentError, match=r"percentiles: .* look like fractions; percentiles are 0 to 100: 5, 95"):
        ia.timeseries(series, **place, percentiles=(0.05, 0.95))


def test_periods_in_days_are_refused(series):
    with pytest.raises(ArgumentError, match=r"periods: 365\.25 years look like days; give years"):
        ia.fit(series, periods=[365.25])
