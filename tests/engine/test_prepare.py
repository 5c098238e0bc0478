"""`ia.run` takes what xarray leaves: any blocks, orders of dimensions and data types are stored, or refused in one line."""

import itertools
import pathlib

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine.graph.edges import Cut, common_edge, default_edge, is_regular
from insarray.engine.graph.prepare import prepare
from insarray.engine.plan import plan_run
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import ArgumentError, StackError, StoreError
from tests.stacks import stack_of

DIMS = ("time", "y", "x")


@pytest.fixture(scope="module")
def series() -> xr.Dataset:
    """Series with a velocity, 22 dates, (20, 30) pixels in blocks of 8, lazy."""
    from tests.networks import nearest

    made = ia.invert(stack_of(nearest(22, 3)), weights="variance")
    return made.merge(ia.fit(made), compat="override", combine_attrs="override")


@pytest.fixture(scope="module")
def known(series: xr.Dataset) -> xr.Dataset:
    return series.compute()


def stored(dataset: xr.Dataset, folder: pathlib.Path) -> xr.Dataset:
    """What is there after a run, which has checked itself, and of which a second run changes nothing."""
    out = folder / "o.zarr"
    report = ia.run(dataset, out, workers=2)
    assert Store(str(out)).verify() == report.blocks
    assert ia.run(dataset, out).computed == 0
    return open_store(str(out)).compute()


def reopened(series: xr.Dataset, folder: pathlib.Path) -> xr.Dataset:
    ia.run(series, folder / "first.zarr")
    again = xr.open_zarr(folder / "first.zarr")
    assert again.displacement.data.numblocks[0] == 2  # 16 dates and the rest
    return again


def own(series: xr.Dataset, **variables: object) -> xr.Dataset:
    return series.assign({name: (dims, values) for name, (dims, values) in variables.items()})


def as_lazy(values: np.ndarray) -> da.Array:
    return da.from_array(values, chunks=(*values.shape[:-2], 8, 8))


RNG = np.random.default_rng(0)
FLOATS = RNG.normal(size=(20, 30))
TIMES = np.datetime64("2020-01-01", "ns") + RNG.integers(0, 10**15, (20, 30)).astype("timedelta64[ns]")
TIMES[3, 3] = np.datetime64("NaT")
OPERATIONS = {
    "as it is": lambda s, _: s,
    "crop off the edges of blocks": lambda s, _: s.isel(y=slice(3, 19), x=slice(5, 30)),
    "one pixel": lambda s, _: s.isel(y=slice(3, 4), x=slice(5, 6)),
    "other blocks": lambda s, _: s.chunk(y=7, x=11),
    "irregular blocks": lambda s, _: s.chunk(y=(3, 9, 8), x=(10, 2, 18)),
    "blocks that differ": lambda s, _: s.assign(
        velocity=s.velocity.chunk(y=-1, x=10), intercept=s.intercept.chunk(x=3)
    ),
    "every second pixel": lambda s, _: s.isel(y=slice(None, None, 2), x=slice(None, None, 2)),
    "sorted the other way": lambda s, _: s.sortby("y").isel(x=slice(None, None, -1)),
    "time in parts": lambda s, _: s.chunk(time=5),
    "reopened by xarray": reopened,
    "reopened and cropped": lambda s, f: reopened(s, f).isel(time=slice(3, 20), y=slice(1, 18)),
    "time last": lambda s, _: s.transpose("y", "x", ...),
    "x before y": lambda s, _: s.transpose("x", ..., "y"),
    "masked": lambda s, _: s.where(s.temporal_coherence > 0.5),
    "one date": lambda s, _: s.isel(time=3),
    "some dates": lambda s, _: s.isel(time=[1, 5, 2]),
    "in memory": lambda s, _: s.compute(),
    "partly in memory": lambda s, _: s.assign(velocity=s.velocity.compute(), height=(("y", "x"), FLOATS)),
    "one map": lambda s, _: s[["velocity"]],
    "coarse": lambda s, _: s[["displacement", "velocity"]].coarsen(y=2, x=3).mean(),
    "twice the dates": lambda s, _: xr.concat(
        [s.isel(time=slice(0, 9)), s.isel(time=slice(9, None))], "time", data_vars="minimal"
    ),
    "own floats": lambda s, _: own(s, model=(("y", "x"), FLOATS), lazy=(("y", "x"), as_lazy(FLOATS))),
    "own half floats": lambda s, _: own(
        s, half=(("y", "x"), FLOATS.astype("f2")), big=(("y", "x"), FLOATS.astype(">f4"))
    ),
    "own whole numbers": lambda s, _: own(s, n=(("y", "x"), as_lazy((9 * FLOATS).astype(np.int64)))),
    "own bools": lambda s, _: own(s, good=(("y", "x"), FLOATS > 0), here=(("y", "x"), as_lazy(FLOATS > 0))),
    "own complex": lambda s, _: own(s, phasor=(("y", "x"), as_lazy(np.exp(1j * FLOATS).astype(np.complex64)))),
    "own times": lambda s, _: own(s, when=(("y", "x"), TIMES), then=(("y", "x"), as_lazy(TIMES))),
    "own durations": lambda s, _: own(s, long=(("y", "x"), as_lazy(TIMES - TIMES[0, 0]))),
    "own layers": lambda s, _: own(s, cube=(("y", "band", "x"), RNG.normal(size=(20, 3, 30)))),
    "tables beside": lambda s, _: own(
        s,
        weight=(("time",), np.linspace(0, 1, s.sizes["time"])),
        lazy=(("time",), da.ones(s.sizes["time"], chunks=4)),
        profile=(("y",), np.arange(20)),
        number=((), 3),
        names=(("time",), np.array([f"date {k}" for k in range(s.sizes["time"])])),
        objects=(("time",), np.array(["é" * k for k in range(s.sizes["time"])], object)),
        raw=(("time",), np.array([b"raw"] * s.sizes["time"])),
    ),
    "text coordinates": lambda s, _: s.assign_coords(
        label=("time", [f"d{k}" for k in range(s.sizes["time"])]), pair=s.pair.astype(str), scene="A"
    ),
    "coordinates of pixels": lambda s, _: s.assign_coords(lon=(("y", "x"), as_lazy(FLOATS)), lat=(("y", "x"), FLOATS)),
}


def expected(dataset: xr.Dataset) -> xr.Dataset:
    """What a reader of the store should find."""
    found = dataset.compute()
    for name, variable in found.data_vars.items():
        table = {"network_subset": "u1", "number_of_observations": "u2", "solver_flag": "u1", "fit_flag": "u1"}
        table |= {"degrees_of_freedom": "u2", "height": "f4"}
        if name in table:
            found[name] = variable.fillna(0).astype(table[name])
        if {"y", "x"} <= set(variable.dims):
            found[name] = found[name].transpose(..., "y", "x")
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_run_stores_what_xarray_left(series: xr.Dataset, tmp_path: pathlib.Path, name: str) -> None:
    dataset = OPERATIONS[name](series, tmp_path)
    if dataset.sizes["y"] == 1:  # of which no spacing is known but that of the transform
        dataset = dataset.assign_coords(y=[0.0], x=[0.0]).drop_vars("spatial_ref")
    found, wanted = stored(dataset, tmp_path), expected(dataset)
    assert set(found.variables) == set(wanted.variables)
    for key, variable in wanted.variables.items():
        assert found[key].dims == variable.dims, key
        if variable.dtype.kind in "fc":
            np.testing.assert_array_equal(found[key].values, variable.values, err_msg=str(key))
            assert found[key].dtype == variable.dtype.newbyteorder("="), key
        elif variable.dtype.kind in "OUS":
            assert [v if isinstance(v, str) else v.decode() for v in np.ravel(variable.values)] == list(
                map(str, np.ravel(found[key].values))
            )
        else:
            np.testing.assert_array_equal(found[key].values, variable.values, err_msg=str(key))
            assert found[key].dtype.kind == variable.dtype.kind, key


REFUSED = {
    "a DataArray": (lambda s: s.velocity, ArgumentError, "to_dataset"),
    "no Dataset": (lambda s: 3, ArgumentError, "int is not an xarray.Dataset"),
    "no pixel": (lambda s: s.isel(x=slice(0, 0)), StackError, "x is empty"),
    "no y and x": (lambda s: s.rename(y="lat", x="lon"), StackError, "rename"),
    "no coordinates": (lambda s: s.drop_vars(["y", "x"]), StackError, "no coordinate 'y'"),
    "uneven": (lambda s: s.isel(x=[0, 1, 5]), StackError, "not evenly spaced"),
    "text of pixels": (
        lambda s: own(s, land=(("y", "x"), np.full((20, 30), "sea"))),
        StackError,
        "land: holds <U3 for each pixel",
    ),
    "objects of pixels": (
        lambda s: own(s, land=(("y", "x"), as_lazy(np.full((20, 30), None, object)))),
        StackError,
        "land: holds object",
    ),
    "long floats": (lambda s: own(s, v=(("y", "x"), FLOATS.astype(np.longdouble))), StackError, "v: holds float128"),
    "days": (
        lambda s: own(s, when=(("y", "x"), as_lazy(TIMES.astype("M8[D]").astype("M8[ns]")))).assign(
            when=lambda d: (("y", "x"), d.when.data.astype("M8[D]"))
        ),
        StackError,
        "when: holds datetime64",
    ),
    "not a flag": (
        lambda s: s[["solver_flag"]].coarsen(y=2, x=2).mean(),
        StackError,
        "solver_flag: holds .* but is uint8 in the data model; rename",
    ),
    "complex velocity": (lambda s: s.assign(velocity=s.velocity * 1j), StackError, "velocity: holds complex"),
    "a name that is no word": (lambda s: s.rename(velocity=5), ArgumentError, "5 cannot be the name"),
    "a name that is a path": (lambda s: s.rename(velocity="a/b"), ArgumentError, "'a/b' cannot be the name"),
    "our own folder": (lambda s: s.rename(velocity="_insarray"), ArgumentError, "cannot be the name"),
    "several levels": (
        lambda s: s.stack(epoch=("time",), create_index=True),
        ArgumentError,
        "epoch is an index of several levels",
    ),
    "attributes": (lambda s: s.assign_attrs(what=object()), StoreError, "this dataset cannot be stored"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_so_in_one_line(series: xr.Dataset, tmp_path: pathlib.Path, name: str) -> None:
    change, error, text = REFUSED[name]
    with pytest.raises(error, match=text) as caught:
        ia.run(change(series), tmp_path / "o.zarr")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "o.zarr").exists() or name == "not a flag"


@pytest.mark.parametrize("url", [None, 3, ""])
def test_a_place_that_is_none(series: xr.Dataset, url: object) -> None:
    with pytest.raises(ArgumentError, match="is not the path or URL"):
        ia.run(series, url)  # type: ignore[arg-type]


def test_a_regular_dataset_keeps_its_arrays(series: xr.Dataset) -> None:
    """Or a run that was begun before would not know it again."""
    for given in (series, prepare(series.isel(y=slice(3, 17), time=[3, 1]).transpose())):
        made = prepare(given)
        assert all(made[name].data is given[name].data for name in given.data_vars)
        assert made.coords.identical(given.coords)
    again = prepare(series.isel(y=slice(3, 17), time=[3, 1]).transpose())
    assert [v.data.name for v in given.data_vars.values()] == [v.data.name for v in again.data_vars.values()]


def test_nothing_of_the_dataset_given_is_changed(series: xr.Dataset, tmp_path: pathlib.Path) -> None:
    dataset = series.transpose().assign_coords(lon=(("y", "x"), as_lazy(FLOATS)))
    before = {name: (v.dims, type(v.data), dict(v.attrs)) for name, v in dataset.variables.items()}
    ia.run(dataset, tmp_path / "o.zarr")
    assert {name: (v.dims, type(v.data), dict(v.attrs)) for name, v in dataset.variables.items()} == before


def test_a_plan_computes_nothing() -> None:
    def fail(block: np.ndarray) -> np.ndarray:
        raise AssertionError

    lazy = da.zeros((20, 30), chunks=8).map_blocks(fail, dtype="f4", meta=np.empty((0, 0), "f4"))
    dataset = xr.Dataset({"solver_flag": (("x", "y"), lazy.T)}, {"lon": (("y", "x"), lazy)}).isel(y=slice(3, 17))
    assert plan_run(dataset, 2).n_blocks > 1


# -- edges ----------------------------------------------------------------------------------------------------------


def twice(chunks: tuple[int, ...], edge: int) -> int:
    """Number of times that parts are computed beyond the first."""
    ends = np.cumsum((0, *chunks))
    starts = range(0, ends[-1], edge)
    overlaps = sum(a < min(s + edge, ends[-1]) and s < b for s in starts for a, b in itertools.pairwise(ends))
    return overlaps - len(chunks)


@pytest.mark.parametrize(
    "chunks",
    [(100, 256, 256, 50), (8,), (3, 9, 8), (156, *(256,) * 18, 236), (1, 8, 8, 3), (4, 4, 4, 2), (5, 7), (2, 8, 1)],
)
def test_the_edge_is_the_one_by_which_the_least_is_computed_twice(chunks: tuple[int, ...]) -> None:
    edge = common_edge([Cut(chunks, 100)])
    candidates = range(1, min(sum(chunks), 2 * max(chunks)) + 1)
    if is_regular(chunks):
        assert edge == chunks[0]
    else:
        assert twice(chunks, edge) == min(twice(chunks, other) for other in candidates)
        assert edge == min(other for other in candidates if twice(chunks, other) == twice(chunks, edge))


def test_the_largest_variable_decides_how_large_blocks_may_be() -> None:
    large, small, whole = Cut((256,) * 8, 10**9), Cut((10,) * 204 + (8,), 10**6), Cut((2048,), 10**6)
    assert common_edge([large, small]) in (256, 512)
    assert common_edge([large, whole]) in (256, 512)
    assert common_edge([large, Cut((512,) * 4, 10**8)]) == 512
    assert default_edge(5000, 400) == 384
    assert default_edge(300, 400) == 300


COUNTS = np.zeros((20, 20), int)


def count(block: np.ndarray, block_info: dict | None = None) -> np.ndarray:
    """Itself; where it lies is counted, in this process."""
    i, j = block_info[0]["chunk-location"]
    COUNTS[i, j] += 1
    return block


def test_few_blocks_are_computed_twice(tmp_path: pathlib.Path) -> None:
    """A crop off the edges along one side: blocks of 8 would compute nearly every one twice."""
    COUNTS[:] = 0
    lazy = da.zeros((80, 80), chunks=8).map_blocks(count, dtype="f4", meta=np.empty((0, 0), "f4"))
    dataset = xr.Dataset({"own": (("y", "x"), lazy)}, {"y": np.arange(80.0), "x": np.arange(80.0)})
    ia.run(dataset.isel(y=slice(5, 78), x=slice(8, 80)), tmp_path / "o.zarr")
    assert (np.count_nonzero(COUNTS), COUNTS.max()) == (90, 2)
    assert COUNTS.sum() <= 1.5 * 90
