"""Files from strangers: they read no other file, run nothing, and take no more memory than a block."""

import json
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

import insarray as ia
from insarray.io.open import open_stack
from insarray.model.errors import FileError, InsarrayError
from tests.io.stack_files import PAIRS, UTM, WAVELENGTH, Truth, write_raster

SHAPE = (4, 20, 30)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that no input may show: raw numbers, and the same as a GeoTIFF and HDF5 beside it."""
    values = np.full(SHAPE, 42.0, np.float32)
    path = tmp_path / "secret.bin"
    path.write_bytes(values.tobytes())
    write_raster(tmp_path / "secret.tif", values[0])
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["values"] = values
    return path


# -- other files ---------------------------------------------------------------------------------------------------


def _external_link(file: h5py.File, name: str, secret: Path) -> None:
    file[name] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/values")


def _external_storage(file: h5py.File, name: str, secret: Path) -> None:
    file.create_dataset(name, SHAPE, "f4", external=[(str(secret), 0, secret.stat().st_size)])


def _virtual(file: h5py.File, name: str, secret: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, "f4")
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "values", SHAPE)
    file.create_virtual_dataset(name, layout)


ELSEWHERE = [_external_link, _external_storage, _virtual]


@pytest.mark.parametrize("keep", ELSEWHERE)
def test_hdf5_with_values_in_another_file(
    keep: Callable[..., None], tmp_path: Path, truth: Truth, secret: Path
) -> None:
    path = truth.write_mintpy(tmp_path / "stack")
    with h5py.File(path, "a") as file:
        del file["coherence"]
        keep(file, "coherence", secret)
    with pytest.raises(FileError, match=r"ifgramStack.h5: coherence is a link or keeps its values elsewhere") as caught:
        open_stack(path)
    assert "\n" not in str(caught.value)


def _write_netcdf(path: Path, keep: Callable[..., None] | None, secret: Path) -> None:
    """A stack in insarray's own terms, one variable of which is elsewhere."""
    with h5py.File(path, "w") as file:
        for name, size in (("pair", 4), ("y", 20), ("x", 30)):
            file[name] = np.arange(size, dtype="f8")
            file[name].make_scale(name)
        for name, days in (("reference_time", (0, 0, 12, 24)), ("secondary_time", (12, 24, 24, 36))):
            file[name] = np.array(days, "i8")
            file[name].attrs["units"] = "days since 2020-01-01"
            file[name].dims[0].attach_scale(file["pair"])
        if keep is None:
            file["unwrapped_phase"] = np.ones(SHAPE, "f4")
        else:
            keep(file, "unwrapped_phase", secret)
        if keep is not _external_link:
            for k, name in enumerate(("pair", "y", "x")):
                file["unwrapped_phase"].dims[k].attach_scale(file[name])


@pytest.mark.parametrize("keep", ELSEWHERE)
def test_netcdf_with_values_in_another_file(keep: Callable[..., None], tmp_path: Path, secret: Path) -> None:
    _write_netcdf(tmp_path / "stack.nc", keep, secret)
    with pytest.raises(InsarrayError, match=r"unwrapped_phase is a link or keeps its values elsewhere") as caught:
        open_stack(tmp_path / "stack.nc", product="netcdf")
    assert "\n" not in str(caught.value)


def test_netcdf_with_values_of_its_own_is_read(tmp_path: Path, secret: Path) -> None:
    _write_netcdf(tmp_path / "stack.nc", None, secret)
    assert float(open_stack(tmp_path / "stack.nc").unwrapped_phase.max()) == 1


@pytest.mark.parametrize("keep", ELSEWHERE)
def test_a_netcdf_raster_with_values_in_another_file(keep: Callable[..., None], tmp_path: Path, secret: Path) -> None:
    for pair in PAIRS:
        with h5py.File(tmp_path / f"{pair}.unw.nc", "w") as file:
            keep(file, "phase", secret)
    with pytest.raises(FileError, match=r"phase is a link or keeps its values elsewhere"):
        open_stack(f"{tmp_path}/*.unw.nc")


def test_a_vrt_in_the_clothes_of_a_tiff(folder: Path, secret: Path) -> None:
    """Whatever the name of a raster promises is the one driver that opens it."""
    vrt = (
        '<VRTDataset rasterXSize="30" rasterYSize="20"><VRTRasterBand dataType="Float32" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{secret.with_suffix(".tif")}</SourceFilename><SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    path = folder / f"{PAIRS[0]}.unw.tif"
    path.write_text(vrt)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path) as trusting:  # what would happen without the one driver
            assert trusting.read(1)[0, 0] == 42
    with pytest.raises(FileError, match=r"is not a readable GTiff raster"):
        open_stack(f"{folder}/*.unw.tif")


def test_a_zarr_store_that_holds_a_pickle(tmp_path: Path) -> None:
    """The codec that unpickles is not run."""
    mark = tmp_path / "owned"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(mark),)

    for name in ("unwrapped_phase", "reference_time", "secondary_time"):
        array = tmp_path / "stack.zarr" / name
        array.mkdir(parents=True)
        filters = [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}]
        meta = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "compressor": None, "fill_value": ""}
        (array / ".zarray").write_text(json.dumps({**meta, "order": "C", "filters": filters}))
        (array / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": ["pair"]}))
        (array / "0").write_bytes(pickle.dumps(Evil()))
    (tmp_path / "stack.zarr/.zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(Exception, match=r"Pickle|pickle|unwrapped_phase|time"):
        open_stack(tmp_path / "stack.zarr")
    assert not mark.exists()
    pickle.loads(pickle.dumps(Evil()))
    assert mark.exists()


# -- sizes that are only said --------------------------------------------------------------------------------------


def _in_little_memory(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run in a process that may add 2 GB of memory to what the libraries take."""
    limited = f"""if True:
        import resource, sys, warnings
        import insarray as ia, rasterio, h5py, dask.array, zarr
        from insarray.engine.plan import plan_run
        from insarray.kernels.network import elimination
        with open("/proc/self/statm") as found:
            now = int(found.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + 2 * 2**30,) * 2)
        warnings.simplefilter("ignore")
        {code}
    """
    return subprocess.run([sys.executable, "-c", limited, *words], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_sparse_tiff_that_claims_terabytes_is_planned_by_blocks(tmp_path: Path) -> None:
    """Two files of 1 TB each by their headers, some kilobytes on disk: opening takes no memory, a block takes its share."""
    for pair in PAIRS[:2]:
        with rasterio.open(
            tmp_path / f"{pair}.unw.tif", "w", driver="GTiff", height=2**19, width=2**19, count=1, dtype="float32",
            tiled=True, blockxsize=4096, blockysize=4096, sparse_ok=True, BIGTIFF="YES", crs="EPSG:32614", transform=UTM,
        ):  # fmt: skip
            pass
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2**20
    code = """stack = ia.open_stack(sys.argv[1], wavelength=0.0555, block=4096)
        print(stack.sizes["y"], stack.unwrapped_phase.nbytes)
        plan = plan_run(ia.invert(stack, reference=None), 1)
        print(plan.n_blocks, plan.peak_bytes)
        print(float(stack.unwrapped_phase[:, -10:, -10:].max()))"""
    done = _in_little_memory(code, f"{tmp_path}/*.unw.tif")
    assert done.returncode == 0, done.stderr
    size, plan, _ = done.stdout.splitlines()
    assert size == f"{2**19} {2 * 2**38 * 4}"
    blocks, peak = map(int, plan.split())
    assert blocks == (2**19 // 4096) ** 2
    assert peak < 2 * 2**38 * 4 / 500


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_hdf5_that_claims_terabytes_is_planned_by_blocks(tmp_path: Path) -> None:
    path = tmp_path / "ifgramStack.h5"
    with h5py.File(path, "w") as file:
        file.attrs.update({"WAVELENGTH": str(WAVELENGTH), "FILE_TYPE": "ifgramStack"})
        file["date"] = np.array([pair.split("_") for pair in PAIRS], "S8")
        file["bperp"] = np.zeros(len(PAIRS), "f4")
        file["dropIfgram"] = np.ones(len(PAIRS), bool)
        file.create_dataset("unwrapPhase", (len(PAIRS), 2**19, 2**19), "f4", chunks=(1, 512, 512))
    code = """stack = ia.open_stack(sys.argv[1], block=512)
        print(stack.unwrapped_phase.nbytes)
        print(float(stack.unwrapped_phase[:, -10:, -10:].max()))"""
    done = _in_little_memory(code, str(path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(4 * 2**38 * 4), "nan"]


def test_a_block_that_does_not_fit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A tile as large as the image makes a block that large; the plan says so in one line."""
    with h5py.File(tmp_path / "ifgramStack.h5", "w") as file:
        file.attrs.update({"WAVELENGTH": str(WAVELENGTH), "FILE_TYPE": "ifgramStack"})
        file["date"] = np.array([pair.split("_") for pair in PAIRS], "S8")
        file["bperp"] = np.zeros(len(PAIRS), "f4")
        file["dropIfgram"] = np.ones(len(PAIRS), bool)
        file.create_dataset("unwrapPhase", (len(PAIRS), 2**19, 2**19), "f4", chunks=(1, 512, 512))
    stack = open_stack(tmp_path / "ifgramStack.h5", block=2**17)
    with pytest.raises(InsarrayError, match=r"GB are free; use --block") as caught:
        ia.run(ia.invert(stack, reference=None), str(tmp_path / "o.zarr"), workers=1)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "o.zarr").exists()
