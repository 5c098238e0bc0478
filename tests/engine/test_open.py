"""`open`: every kind of result comes back ready for every product, and what is no result says what it is."""

import json

import h5py
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine.open import is_result
from insarray.model.errors import ArgumentError, FileError, StoreError
from tests.networks import nearest
from tests.points import scene
from tests.stacks import stack_of

DATES = 40  # more than a chunk of a store has


def stack():
    return stack_of(nearest(DATES, 2))


def series():
    return ia.invert(stack(), reference=(5, 5))


def both():
    made = series()
    return made.merge(ia.fit(made, periods=(1.0,), steps=("2020-03-01",)), combine_attrs="override")


RESULTS = {
    "series": series,
    "model": lambda: ia.fit(series(), periods=(1.0,)),
    "series and model": both,
    "loops": lambda: ia.closure(stack()),
    "average": lambda: ia.temporal_average(stack(), layer="coherence"),
    "counts": lambda: ia.component_counts(stack()),
    "corrected": lambda: ia.invert(
        ia.correct_unwrapping(stack(), reference=(5, 5)), phase="corrected_phase", reference=(5, 5)
    ),
}

FOLLOWING = {
    "series": (
        lambda d: ia.fit(d, residuals=True),
        lambda d: ia.rereference(d, date="20200125", reference=(5, 5)),
        ia.deramp,
        lambda d: ia.temporal_average(d, layer="displacement"),
    ),
    "model": (lambda d: ia.predict(d, ["2020-02-01", "2021-01-01"]),),
    "series and model": (
        lambda d: ia.remove_terms(d, d, ["annual"]),
        lambda d: ia.predict(d, ["2020-02-01"]),
        lambda d: ia.residuals(stack(), d),
    ),
    "loops": (lambda d: ia.closure_summary(d),),
}


def by_run(dataset, folder):
    ia.run(dataset, str(folder / "o.zarr"))
    return folder / "o.zarr"


def by_netcdf(dataset, folder):
    return ia.to_netcdf(dataset, folder / "o.nc")


def by_xarray(dataset, folder):
    dataset.drop_encoding().to_zarr(folder / "x.zarr", zarr_format=3, consolidated=False)
    return folder / "x.zarr"


@pytest.mark.parametrize("way", [by_run, by_netcdf, by_xarray])
@pytest.mark.parametrize("name", RESULTS)
def test_every_result_comes_back_lazy_and_ready(name, way, tmp_path):
    made = RESULTS[name]()
    found = ia.open(way(made, tmp_path))
    for layer in found.data_vars.values():
        if layer.ndim > 1:
            assert layer.chunks is not None, layer.name
            assert all(len(layer.chunksizes[dim]) == 1 for dim in layer.dims if dim not in ("y", "x"))
            assert {dim: max(layer.chunksizes[dim]) for dim in ("y", "x")} == {"y": 8, "x": 8}
    assert all(coord.chunks is None for coord in found.coords.values())
    expected = made.compute()
    for variable in expected.data_vars:
        np.testing.assert_array_equal(found[variable].values, expected[variable].values, err_msg=variable)
    assert found.insar.grid == made.insar.grid
    for function in FOLLOWING.get(name, ()):
        one, other = function(found), function(expected)
        if isinstance(other, xr.DataArray):
            one, other = one.to_dataset(name="result"), other.to_dataset(name="result")
        if not isinstance(other, xr.Dataset):
            assert repr(one)[:2000] == repr(other)[:2000]
            continue
        for variable in other.data_vars:
            np.testing.assert_allclose(
                one[variable].values, other[variable].values, rtol=1e-5, atol=1e-6, err_msg=str(variable)
            )


@pytest.mark.parametrize("way", ["save_points", "to_netcdf"])
def test_points_and_links_come_back(way, tmp_path):
    points = ia.select_points(scene().wrapped, min_temporal_coherence=0.6)
    links = ia.estimate_links(points)
    for name, made in (("points", points), ("links", links)):
        path = tmp_path / name
        ia.save_points(made, str(path)) if way == "save_points" else ia.to_netcdf(made, path := path.with_suffix(".nc"))
        found = ia.open(path)
        assert all(coord.chunks is None for coord in found.coords.values())
        for variable in made.data_vars:
            np.testing.assert_array_equal(found[variable].values, made[variable].values)
            if "time" in found[variable].dims:
                assert len(found[variable].chunksizes["time"]) == 1
    again = ia.estimate_links(ia.open(tmp_path / ("points" if way == "save_points" else "points.nc")))
    np.testing.assert_array_equal(again.velocity_difference, links.velocity_difference)


def test_a_path_a_text_a_url_and_a_slash_behind_it_are_the_same(tmp_path, monkeypatch):
    path = by_run(RESULTS["model"](), tmp_path)
    expected = ia.open(path).velocity.values
    monkeypatch.chdir(tmp_path)
    for form in (str(path), f"{path}/", f"file://{path}", path.as_uri(), "o.zarr", "./o.zarr/"):
        np.testing.assert_array_equal(ia.open(form).velocity, expected, err_msg=form)
        assert is_result(form)


def test_a_series_of_mintpy(tmp_path):
    (path,) = ia.to_mintpy(series()[["displacement"]], tmp_path)[:1]
    found = ia.open(path)
    np.testing.assert_allclose(found.displacement, series().displacement, atol=1e-6)
    assert found.displacement.chunksizes["time"] == (DATES,)


def test_an_unfinished_store_is_one_line(tmp_path):
    path = by_run(RESULTS["model"](), tmp_path)
    job = json.loads((path / "_insarray/job.json").read_text())
    (path / "_insarray/job.json").write_text(json.dumps({**job, "state": "running"}))
    (path / "_insarray/blocks/0.0.json").unlink()
    with pytest.raises(StoreError, match="only 11 of 12 blocks are there; repeat its command"):
        ia.open(path)
    assert is_result(path)


def hdf5(path, kind):
    with h5py.File(path, "w") as file:
        file.attrs["FILE_TYPE"] = kind
        file["velocity" if kind == "velocity" else "unwrapPhase"] = np.zeros((3, 4))


def write(folder, name):
    path = folder / name
    if name == "velocity.h5":
        hdf5(path, "velocity")
    elif name == "ifgramStack.h5":
        hdf5(path, "ifgramStack")
    elif name == "stack.nc":
        ia.to_netcdf(stack(), path)
    elif name == "stack.zarr":
        by_xarray(stack(), folder).rename(path)
    elif name == "temperature.nc":
        xr.Dataset({"t2m": ("time", np.zeros(3))}).to_netcdf(path, engine="h5netcdf")
    elif name == "results":
        path.mkdir()
        by_run(RESULTS["model"](), path)
    elif name == "ifgs":
        path.mkdir()
        (path / "20200101_20200113.unw.tif").write_bytes(b"II*")
    elif name in ("empty", "odd"):
        path.mkdir()
        if name == "odd":
            (path / "readme.txt").write_text("hello")
    elif "*" not in name and name != "absent.zarr":
        path.write_text("hello")
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("velocity.h5", r"a file of MintPy \(velocity\); fit its series"),
        ("ifgramStack.h5", r"a file of MintPy \(ifgramStack\); open it with insarray.open_stack"),
        ("stack.nc", "a NetCDF file of interferograms; open it with insarray.open_stack"),
        ("stack.zarr", "a Zarr group of interferograms; open it with insarray.open_stack"),
        ("temperature.nc", "an HDF5 or NetCDF file of t2m, time; give the output"),
        ("velocity.tif", "a text file; give the output"),
        ("results", r"a folder; give a store that is in it: .*o\.zarr"),
        ("ifgs", r"a folder of the product \w+; open it with insarray.open_stack"),
        ("empty", "an empty folder"),
        ("odd", r"a folder of readme\.txt; give the output"),
        ("notes.txt", "a text file; give the output"),
        ("broken.nc", "cannot be opened as NetCDF"),
        ("absent.zarr", "does not exist; give the output"),
        ("*.tif", "is a pattern; give one result"),
    ],
)
def test_what_is_no_result_says_what_it_is(name, message, tmp_path):
    path = write(tmp_path, name)
    with pytest.raises(FileError, match=message) as error:
        ia.open(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    assert not is_result(path)


def test_what_is_no_path_is_refused():
    with pytest.raises(ArgumentError, match="path: is a Dataset, not a path"):
        ia.open(xr.Dataset())
