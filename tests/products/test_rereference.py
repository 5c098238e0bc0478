"""Another date, another place, joined series: by brute force, pieces, what is dropped, what cannot be."""

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.model.conventions import SOLVER_FLAGS
from insarray.model.errors import ArgumentError, ReferencePointError, StackError
from tests.networks import nearest
from tests.stacks import WAVELENGTH, stack_of


def series_of(gap="nan", missing=0.35, **options):
    """Series with many pixels in pieces."""
    return ia.invert(stack_of(nearest(8, 2), missing=missing, **options), reference=(5, 5), gap=gap)


def day(series, index):
    return str(series.time.values[index])[:10]


# -- another date ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gap", ["nan", "nsbas", "min_norm"])
def test_another_date_is_subtracted(gap):
    series = series_of(gap)
    found = ia.rereference(series, date=day(series, 4))
    assert dask.is_dask_collection(found.displacement.data)
    values = series.displacement.values.astype(float)
    np.testing.assert_allclose(found.displacement, values - values[4], atol=1e-8)
    observed = np.isfinite(values[4])
    assert 0 < observed.sum() < observed.size or gap != "nan"
    assert (found.displacement.values[4][observed] == 0).all()
    assert found.attrs["reference_date"] == f"{day(series, 4)}T00:00:00"
    assert found.displacement.attrs["units"] == "m"


def test_pieces_are_numbered_from_the_new_date():
    series = series_of("subset")
    found = ia.rereference(series, date=day(series, 4)).compute()
    before, after = series.network_subset.values, found.network_subset.values
    d, e = series.displacement.values.astype(float), found.displacement.values
    kinds = set()
    for y, x in np.ndindex(before.shape[1:]):
        old, new = before[:, y, x], after[:, y, x]
        own = old[4]
        expected = {0: 0}
        if own:
            expected[own] = 1
        for t in range(8):  # the others in the order of their first dates
            if old[t] not in expected:
                expected[old[t]] = len(set(expected.values()) - {0, 1}) + 2
        assert new.tolist() == [expected[v] for v in old]
        same = (old == own) & (own > 0)
        np.testing.assert_allclose(e[same, y, x], d[same, y, x] - d[4, y, x], atol=1e-8)
        np.testing.assert_array_equal(e[~same, y, x], d[~same, y, x].astype(np.float32))
        kinds.add(int(own))
    assert {0, 1, 2} <= kinds


def test_flags_follow_the_new_date():
    series = series_of("subset")
    found = ia.rereference(series, date=day(series, 4)).compute()
    names = np.array(SOLVER_FLAGS)[found.solver_flag.values]
    label = found.network_subset.values
    assert (names[label[4] == 0] == "reference_date_missing").sum() > 5
    assert (names[(label[4] == 1) & (label != 1).any(axis=0)] == "dates_untied").all()
    whole = (label == 1).all(axis=0)
    np.testing.assert_array_equal(found.solver_flag.values[whole], series.solver_flag.values[whole])
    assert set(names[whole]) == {"complete", "missing_pairs"}
    stack = stack_of()
    dry = stack.assign(unwrapped_phase=stack.unwrapped_phase.where(stack.x > stack.x[3]))
    found = ia.rereference(ia.invert(dry), date=day(series, 3))
    assert (found.solver_flag[:, :4] == SOLVER_FLAGS.index("no_data")).all()


def test_there_and_back():
    series = series_of("subset").compute()
    back = ia.rereference(ia.rereference(series, date=day(series, 4)), date=day(series, 0))
    np.testing.assert_allclose(back.displacement, series.displacement, atol=2e-8)
    xr.testing.assert_equal(back.network_subset, series.network_subset)
    seen = series.network_subset.values[0] == 1
    np.testing.assert_array_equal(back.solver_flag.values[seen], series.solver_flag.values[seen])


def test_standard_deviations_of_another_date_are_not_made_up():
    series = series_of()
    assert "displacement_std" not in ia.rereference(series, date=day(series, 4))
    same = ia.rereference(series, date=day(series, 0))
    xr.testing.assert_equal(same.displacement_std, series.displacement_std)
    xr.testing.assert_equal(same.displacement, series.displacement)
    moved = ia.rereference(series, date=day(series, 4))
    assert moved.displacement.attrs["ancillary_variables"] == "number_of_observations network_subset"
    elsewhere = ia.rereference(series_of(missing=0.0), reference=(9, 9))
    assert "displacement_std" in elsewhere.displacement.attrs["ancillary_variables"]
    assert "displacement_std" in elsewhere


def test_the_velocity_is_that_of_before():
    series = series_of("subset")
    found = ia.rereference(series.merge(ia.fit(series), combine_attrs="override"), date=day(series, 4))
    assert "velocity" not in found
    np.testing.assert_allclose(ia.fit(found).velocity, ia.fit(series).velocity, atol=1e-6)


# -- another place --------------------------------------------------------------------------------------------------


def test_another_point_area_or_position_is_that_of_a_new_inversion():
    stack = stack_of(missing=0.0)
    series = ia.invert(stack, reference=(5, 5))
    lon, lat = series.insar.grid.lonlat(12, 17)
    for place in ((12, 17), ia.lonlat(lon, lat), ia.area(3, 9, 10, 20)):
        found, expected = ia.rereference(series, reference=place), ia.invert(stack, reference=place)
        np.testing.assert_allclose(found.displacement, expected.displacement, atol=3e-8)
        drop = {"number_of_pairs"}
        assert {k: v for k, v in found.attrs.items() if "reference" in k} == {
            k: v for k, v in expected.attrs.items() if "reference" in k and k not in drop
        }
    assert (ia.rereference(series, reference=(12, 17)).displacement[:, 12, 17] == 0).all()
    xr.testing.assert_equal(found.displacement_std, series.displacement_std)


def test_place_and_date_together():
    series = ia.invert(stack_of(missing=0.0), reference=(5, 5))
    found = ia.rereference(series, date=day(series, 3), reference=(12, 17))
    values = series.displacement.values.astype(float)
    values = values - values[:, 12:13, 17:18]
    np.testing.assert_allclose(found.displacement, values - values[3], atol=1e-8)


def test_pieces_do_not_move_with_a_place_before_they_begin():
    series = series_of("subset")
    place = tuple(np.argwhere((series.network_subset.values == 1).all(axis=0))[7])
    found = ia.rereference(series, reference=place).compute()
    d, label = series.displacement.values.astype(float), series.network_subset.values
    level = d[:, place[0], place[1]]
    for y, x in np.argwhere((label > 1).any(axis=0)):
        for piece in np.unique(label[:, y, x][label[:, y, x] > 0]):
            here = label[:, y, x] == piece
            start = 0 if piece == 1 else level[here][0]
            np.testing.assert_allclose(
                found.displacement.values[here, y, x], d[here, y, x] - level[here] + start, atol=1e-8
            )


@pytest.mark.parametrize("block", [3, None])
def test_any_chunking_gives_the_same_bits(block):
    options = {"date": "2020-02-20", "reference": (5, 6)}
    expected = series_of(missing=0.0)
    options["date"] = day(expected, 5)
    found = ia.rereference(series_of(missing=0.0, block=block), **options)
    xr.testing.assert_equal(found, ia.rereference(expected, **options))


def test_what_is_not_asked_for_is_not_computed():
    calls = []

    def counted(values):
        calls.append(values.shape)
        return values

    series = series_of(missing=0.0).compute().chunk(time=-1, y=8, x=8)
    series["displacement"].data = series.displacement.data.map_blocks(
        counted, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)
    )
    ia.rereference(series, date=day(series, 4), reference=(5, 6))
    assert len(calls) == 2  # the block of the place, and one that shows that the date has data


# -- what cannot be -------------------------------------------------------------------------------------------------


def test_what_cannot_be_a_reference_is_named():
    series = series_of("nsbas")
    with pytest.raises(ArgumentError, match="give a date, a reference, or both"):
        ia.rereference(series)
    with pytest.raises(ArgumentError, match=r"date: 20300101 is not among the 8 dates 20\d{6}\.\.20\d{6}"):
        ia.rereference(series, date="2030-01-01")
    with pytest.raises(ArgumentError, match=r"reference: 'auto' cannot be found in a series; ask find_reference"):
        ia.rereference(series, reference="auto")
    with pytest.raises(ArgumentError, match="lies outside 20 x 30"):
        ia.rereference(series, reference=(5, 30))
    with pytest.raises(StackError, match="has no variable 'displacement'"):
        ia.rereference(stack_of(), date="2020-01-01")
    empty = series.assign(displacement=series.displacement.where(series.time != series.time[3])).compute()
    with pytest.raises(ReferencePointError, match=r"date: no pixel has data on 20\d{6}; choose another date"):
        ia.rereference(empty, date=day(series, 3))
    # filled in by a model: not observed
    y, x = np.argwhere(
        (series.network_subset.values != 1).any(axis=0) & np.isfinite(series.displacement.values).all(axis=0)
    )[0]
    with pytest.raises(
        ReferencePointError, match=rf"row {y}, column {x} has no data in \d of 8 dates \(20.*nearest pixel"
    ):
        ia.rereference(series, reference=(y, x))
    with pytest.raises(ReferencePointError, match=r"no pixel of rows .* has data in all 8 dates; choose another area$"):
        ia.rereference(series, reference=ia.area(y, y + 1, x, x + 1))


# -- joining --------------------------------------------------------------------------------------------------------


def halves(**options):
    """A steady motion in two inversions that share three dates, and the one inversion of all."""
    stack = stack_of(nearest(10, 3), missing=0.0, **options)
    network = stack.insar.network
    rate = 0.05 * np.linspace(0.5, 1.5, 600).reshape(20, 30)
    phase = -4 * np.pi / WAVELENGTH * rate * (network.temporal_baseline / 365.25)[:, None, None]
    stack = stack.assign(unwrapped_phase=(stack.unwrapped_phase.dims, phase.astype(np.float32)))
    if options.get("block", 8):
        stack = stack.chunk(pair=-1, y=8, x=8)
    early, late = (stack.isel(pair=np.flatnonzero(keep)) for keep in (network.secondary <= 5, network.reference >= 3))
    return ia.invert(early), ia.invert(late), ia.invert(stack), rate


def test_joined_halves_have_the_velocity_of_the_whole():
    first, second, whole, rate = halves()
    found = ia.join(first, second)
    assert dask.is_dask_collection(found.displacement.data)
    np.testing.assert_array_equal(found.time, whole.time)
    np.testing.assert_allclose(found.displacement, whole.displacement, atol=1e-7)
    np.testing.assert_array_equal(found.displacement[:6], first.displacement)
    np.testing.assert_allclose(ia.fit(found).velocity, rate, rtol=1e-4)
    assert (found.network_subset == 1).all()
    assert found.attrs["joined_dates"] == 4
    assert found.attrs["wavelength"] == WAVELENGTH
    # taken as they stand they would not: this is the break that joining mends
    torn = first.displacement.values, second.displacement.values[3:]
    torn = found.assign(displacement=(("time", "y", "x"), np.concatenate(torn)))
    assert float(abs(ia.fit(torn).velocity / rate - 1).min()) > 0.2
    backwards = ia.join(second, first)
    np.testing.assert_allclose(backwards.displacement, whole.displacement - whole.displacement[3], atol=1e-7)
    assert backwards.attrs["reference_date"] == day(whole, 3) + "T00:00:00"


def test_levels_are_tied_by_the_mean_over_common_dates():
    first, second, _, _ = (part.compute() if isinstance(part, xr.Dataset) else part for part in halves())
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.003, second.displacement.shape).astype(np.float32)
    second = second.assign(displacement=second.displacement + noise)
    second.displacement[1, 4, 4] = np.nan
    second.displacement[0:3, 5, 5] = np.nan
    second.network_subset[0:3, 5, 5] = 0
    found = ia.join(first, second)
    a, b = first.displacement.values.astype(float), second.displacement.values.astype(float)
    offset = np.nanmean(np.where(np.isnan(b[:3]).all(axis=0), 0, a[3:6] - b[:3]), axis=0)
    offset[5, 5] = np.nan
    np.testing.assert_allclose(found.displacement[6:], b[3:] + offset, atol=1e-8)
    assert found.network_subset[:, 5, 5].values.tolist() == [1] * 6 + [2] * 4
    assert found.network_subset[:, 4, 4].values.tolist() == [1] * 10
    first.network_subset[3:6, 6, 6] = 2
    first.network_subset[3:6, 7, 7] = 0
    assert found.network_subset[6, 6, 6] == 1
    assert ia.join(first, second).network_subset[6, 6, 6] == 3
    del first["network_subset"], second["network_subset"]
    np.testing.assert_array_equal(ia.join(first, second).displacement, found.displacement)


def test_any_chunking_joins_to_the_same_bits():
    first, second, _, _ = halves()
    expected = ia.join(first.compute(), second.compute())
    xr.testing.assert_equal(ia.join(first, second.chunk(y=5, x=30)), expected)


def test_what_cannot_be_joined_is_named():
    first, second, whole, _ = halves()
    with pytest.raises(StackError, match=r"second: its dates .* have none in common with"):
        ia.join(first, second.isel(time=slice(4, None)))
    with pytest.raises(StackError, match="second: its grid differs"):
        ia.join(first, second.isel(x=slice(0, 8)))
    with pytest.raises(StackError, match=r"second: its reference is at y .*, that of the first unknown; rereference"):
        ia.join(first, ia.rereference(second, reference=(5, 5)))
    with pytest.raises(StackError, match="has no variable 'displacement'"):
        ia.join(first, whole.drop_vars("displacement"))
