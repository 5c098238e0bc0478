"""What is no store, given where one is expected: one line that says what it is and what to give instead."""

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import ArgumentError, StoreError
from tests.engine.test_store_and_run import job
from tests.stacks import stack_of

GIVE = "give the output of 'insarray invert'"
ORIGIN = "give the store that it was exported from"

THINGS = {
    "mintpy/velocity.h5": (r"a file of MintPy \(velocity\)", "insarray fit timeseries.h5 OUT.zarr"),
    "mintpy/timeseries.h5": (r"a file of MintPy \(timeseries\)", "insarray.open_series"),
    "mintpy/temporalCoherence.h5": (r"a file of MintPy \(temporalCoherence\)", GIVE),
    "ifgramStack.h5": (r"a file of MintPy \(ifgramStack\)", r"insarray invert .*ifgramStack\.h5 OUT\.zarr"),
    "exported.nc": ("a NetCDF file exported from a store", ORIGIN),
    "stack.nc": ("a NetCDF file of interferograms", r"insarray invert .*stack\.nc OUT\.zarr"),
    "other.nc": ("an HDF5 or NetCDF file of a, x", "xarray.open_dataset"),
    "classic.nc": ("a NetCDF file", "xarray.open_dataset"),
    "velocity.tif": ("a GeoTIFF", ORIGIN),
    "notes.txt": ("a text file", GIVE),
    "noise.bin": ("a file", GIVE),
    "broken.h5": ("something that cannot be read", GIVE),
    "empty": ("an empty folder", GIVE),
    "plain": (r"a folder of a\.txt", GIVE),
    "project": ("a folder", r"give a store that is in it: .*project/series\.zarr$"),
    "project/series.zarr/velocity": (r"a part of the store .*project/series\.zarr", "give that"),
    "project/series.zarr/_insarray/job.json": (r"a part of the store .*project/series\.zarr", "give that"),
    "jobless.zarr": ("a store without _insarray/job.json", "remove it"),
    "stack.zarr": ("a Zarr group of interferograms", r"insarray invert .*stack\.zarr OUT\.zarr"),
    "other.zarr": ("a Zarr group that insarray has not made", "xarray.open_zarr"),
    "other.zarr/a": ("a Zarr array that insarray has not made", GIVE),
}


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """Folder with one of each."""
    import h5py

    folder = tmp_path_factory.mktemp("things")
    ia.run(job(), str(folder / "project/series.zarr"))
    series = open_store(str(folder / "project/series.zarr"))
    ia.to_mintpy(series, folder / "mintpy")
    ia.to_netcdf(series, folder / "exported.nc")
    ia.to_cog(series.velocity, folder / "velocity.tif")
    with h5py.File(folder / "ifgramStack.h5", "w") as file:
        file.attrs["FILE_TYPE"] = "ifgramStack"
    stack = stack_of().drop_attrs().drop_encoding()
    stack.to_netcdf(folder / "stack.nc")
    stack.to_zarr(folder / "stack.zarr", consolidated=False)
    other = xr.Dataset({"a": ("x", np.arange(3.0))})
    other.to_netcdf(folder / "other.nc")
    other.to_netcdf(folder / "classic.nc", format="NETCDF3_CLASSIC", engine="scipy")
    other.to_zarr(folder / "other.zarr", consolidated=False)
    other.to_zarr(folder / "jobless.zarr", consolidated=False)
    (folder / "jobless.zarr/_insarray").mkdir()
    (folder / "notes.txt").write_text("Grüße, " * 60)
    (folder / "noise.bin").write_bytes(bytes(range(256)))
    (folder / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"x" * 50)
    (folder / "empty").mkdir()
    (folder / "plain").mkdir()
    (folder / "plain/a.txt").write_text("x")
    return folder


@pytest.mark.parametrize("name", THINGS)
def test_it_says_what_it_is_and_what_to_give(things, name):
    kind, remedy = THINGS[name]
    url = str(things / name)
    assert Store(url).job() is None
    for refusing in (open_store, lambda path: Store(path).verify()):
        with pytest.raises(StoreError, match=rf"{name}: is not an insarray store but {kind}; .*{remedy}") as refused:
            refusing(url)
        assert "\n" not in str(refused.value)
    with pytest.raises(StoreError, match=f"{name}: exists and is not an insarray store but {kind}; choose another"):
        Store(url).check("", {})
    with pytest.raises(StoreError, match=f"{name}: is not an insarray store but {kind}, and will not be deleted"):
        Store(url).remove()
    assert (things / name).exists()


@pytest.mark.parametrize("name", sorted(THINGS.keys() - {"mintpy/timeseries.h5", "broken.h5", "exported.nc"}))
@pytest.mark.parametrize(
    "words",
    [
        ("status", "{0}"),
        ("export", "{0}", "{1}/x.tif"),
        ("plot", "velocity", "{0}", "{1}/x.png"),
        ("report", "{0}", "{1}/x.html"),
        ("deramp", "{0}", "{1}/x.zarr"),
        ("residuals", "{0}", "{0}"),
    ],
    ids=lambda words: words[0],
)
def test_commands_say_it_in_one_line(things, name, words, tmp_path, capsys):
    assert run_command([word.format(things / name, tmp_path) for word in words]) == 2
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert f"{name}: is not an insarray store but " in said.err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words",
    [
        ("export", "{0}", "{1}/x.tif", "--variable", "velocity"),
        ("plot", "velocity", "{0}", "{1}/x.png"),
        ("report", "{0}", "{1}/x.html"),
        ("deramp", "{0}", "{1}/x.zarr"),
        ("fit", "{0}", "{1}/x.zarr"),
        ("average", "{0}", "{1}/x.zarr"),
    ],
    ids=lambda words: words[0],
)
def test_an_exported_series_is_taken_as_the_store_would_be(things, words, tmp_path):
    assert run_command([word.format(things / "exported.nc", tmp_path) for word in words]) == 0
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["fit", "average"])
@pytest.mark.parametrize("name", ["mintpy/velocity.h5", "mintpy/temporalCoherence.h5", "project/series.zarr/velocity"])
def test_a_result_is_not_taken_for_interferograms(things, name, verb, tmp_path, capsys):
    assert run_command([verb, str(things / name), str(tmp_path / "x.zarr")]) == 2
    assert f"{name}: is a" in (said := capsys.readouterr().err)
    assert len(said.splitlines()) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["velocity.tif", "notes.txt", "plain", "other.zarr"])
def test_an_output_that_is_something_else_stays(things, name):
    before = sorted(path.stat().st_mtime_ns for path in (things / name, *(things / name).rglob("*")))
    for resume in (True, False):
        with pytest.raises(StoreError, match=f"{name}: .*not an insarray store but a .*choose another output"):
            ia.run(job(), str(things / name), resume=resume)
    with pytest.raises(StoreError, match=f"{name}: .*not an insarray store but a .*choose another output"):
        ia.append(ia.invert(stack_of(), reference=(5, 5)), str(things / name))
    assert sorted(path.stat().st_mtime_ns for path in (things / name, *(things / name).rglob("*"))) == before


def test_a_place_that_cannot_be_looked_at(monkeypatch):
    with pytest.raises(ArgumentError, match=r"ftpx://host/o\.zarr: "):
        Store("ftpx://host/o.zarr")
    store = Store("memory://somewhere/o.zarr")

    def refused(*_):
        raise RuntimeError("no credentials\nanywhere")

    monkeypatch.setattr(store.files.fs, "cat_file", refused)
    with pytest.raises(StoreError, match=r"o\.zarr: cannot be read \(no credentials anywhere\)"):
        store.job()
