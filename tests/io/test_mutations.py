"""Properties that rasters have, one at a time: each is read rightly, or refused in one line that says what to do."""

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

import insarray as ia
from insarray.model.errors import InsarrayError, StackWarning
from tests.io.stack_files import UTM, write_raster

PAIRS = ("20190610_20190622", "20190622_20190704", "20190610_20190704")
RNG = np.random.default_rng(2)
PHASE = np.round(RNG.normal(0, 5, (3, 12, 16)), 3).astype(np.float32)
PHASE[:, :2, :3] = np.nan
COHERENCE = np.round(RNG.uniform(0.2, 0.9, (3, 12, 16)), 2).astype(np.float32)
LABELS = RNG.integers(1, 4, (3, 12, 16)).astype(np.uint8)
ZEROS = np.nan_to_num(PHASE)
LONLAT = {"crs": "EPSG:4326", "transform": Affine(0.001, 0, 10, 0, -0.001, 45)}

Write = Callable[[Path], object]


def phases(name: str = "{}_unw.tif", values: np.ndarray = PHASE, **options: object) -> Write:
    """All pairs, with properties of their files."""
    return lambda folder: [
        write_raster(folder / name.format(pair), values[k], **options) for k, pair in enumerate(PAIRS)
    ]


def one(**options: object) -> Write:
    """The usual files, the second of them with other properties."""

    def write(folder: Path) -> None:
        phases()(folder)
        write_raster(folder / f"{PAIRS[1]}_unw.tif", options.pop("data", PHASE[1]), **options)

    return write


def after(change: Callable[[Path], object]) -> Write:
    """The usual files, and then something is done to the second."""

    def write(folder: Path) -> None:
        phases()(folder)
        change(folder / f"{PAIRS[1]}_unw.tif")

    return write


def beside(word: str, values: np.ndarray, **options: object) -> Write:
    """The usual files and a companion of each."""

    def write(folder: Path) -> None:
        phases()(folder)
        for k, pair in enumerate(PAIRS):
            write_raster(folder / f"{pair}_{word}.tif", values[k], **options)

    return write


def netcdf(
    change: Callable[[xr.DataArray], xr.DataArray | xr.Dataset] = lambda data: data, **encoding: object
) -> Write:
    """Files of latitudes and longitudes, rows from north to south, and no CRS."""

    def write(folder: Path) -> None:
        y, x = 45 - 0.001 * (np.arange(12) + 0.5), 10 + 0.001 * (np.arange(16) + 0.5)
        for k, pair in enumerate(PAIRS):
            data = xr.DataArray(PHASE[k], {"lat": y, "lon": x}, ("lat", "lon"), "phase")
            data.lat.attrs["units"], data.lon.attrs["units"] = "degrees_north", "degrees_east"
            changed = change(data)
            changed = changed.to_dataset(name="phase") if isinstance(changed, xr.DataArray) else changed
            changed.to_netcdf(
                folder / f"{pair}_unw.nc", engine="h5netcdf", encoding={"phase": encoding} if encoding else None
            )

    return write


def described(text: str, values: np.ndarray = PHASE) -> Write:
    """The usual files, each with an .aux.xml."""

    def write(folder: Path) -> None:
        phases(values=values)(folder)
        for pair in PAIRS:
            band = f'<PAMDataset><PAMRasterBand band="1">{text}</PAMRasterBand></PAMDataset>'
            (folder / f"{pair}_unw.tif.aux.xml").write_text(band)

    return write


def world_files(folder: Path) -> None:
    phases(crs=None)(folder)
    for pair in PAIRS:
        (folder / f"{pair}_unw.tfw").write_text("30\n0\n0\n-30\n600015\n2149985\n")


def internal_mask(path: Path) -> None:
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=12,
            width=16,
            count=1,
            dtype="float32",
            crs="EPSG:32614",
            transform=UTM,
        ) as file,
    ):
        file.write(np.nan_to_num(PHASE[1], nan=3), 1)
        file.write_mask(~np.isnan(PHASE[1]))


def classic(folder: Path) -> None:
    netcdf()(folder)
    for path in list(folder.glob("*.nc")):
        data = xr.load_dataset(path, engine="h5netcdf")
        path.unlink()
        data.to_netcdf(path, engine="scipy")


def edited_header(old: str, new: str, values: np.ndarray = PHASE, dtype: str = "<f4") -> Write:
    """ENVI with another header, and pixels of another type."""

    def write(folder: Path) -> None:
        phases("{}_unw.img", values, driver="ENVI")(folder)
        for path in folder.glob("*.img"):
            np.fromfile(path, "<f4").astype(dtype).tofile(path)
            header = path.with_suffix(".hdr")
            header.write_text(header.read_text().replace(old, new))

    return write


def swapped_companion(folder: Path) -> None:
    phases()(folder)
    for k, pair in enumerate(PAIRS):
        write_raster(folder / f"{'_'.join(reversed(pair.split('_')))}_coh.tif", COHERENCE[k])


def with_table(text: str) -> Write:
    def write(folder: Path) -> None:
        phases()(folder)
        (folder / "baselines.csv").write_text(text)

    return write


def overviews(path: Path) -> None:
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])


def alike_but_flipped(folder: Path) -> None:
    phases(values=PHASE[:, ::-1], transform=Affine(30, 0, UTM.c, 0, 30, UTM.f - 12 * 30))(folder)


def renamed(*names: str) -> Write:
    def write(folder: Path) -> None:
        for k, name in enumerate(names):
            write_raster(folder / name, PHASE[k])

    return write


def envi(interleave: str) -> Write:
    return phases("{}_unw.img", driver="ENVI", interleave=interleave)


def as_vrt(folder: Path) -> None:
    from rasterio.shutil import copy

    (folder / "data").mkdir()
    phases("{}.tif")(folder / "data")
    for pair in PAIRS:
        copy(folder / "data" / f"{pair}.tif", folder / f"{pair}_unw.vrt", driver="VRT")


TIF = f"{PAIRS[1]}_unw.tif"

READ: dict[str, tuple[Write, str]] = {
    "as usual": (phases(), "*"),
    "float64": (phases(values=PHASE.astype(np.float64)), "*"),
    "int16 with a scale": (phases(values=np.round(ZEROS * 1000).astype(np.int16), scale=0.001, nodata=0), "*"),
    "int32 with a scale in one file": (
        one(data=np.round(ZEROS[1] * 1000).astype(np.int32), scale=0.001, nodata=0),
        "*",
    ),
    "big-endian": (phases(ENDIANNESS="BIG"), "*"),
    "BigTIFF": (phases(BIGTIFF="YES"), "*"),
    "deflate with a predictor": (phases(compress="deflate", predictor=3), "*"),
    "LZW in tiles": (phases(compress="lzw", tiled=True, blockxsize=16, blockysize=16), "*"),
    "strips of one row": (phases(blockysize=1), "*"),
    "overviews": (after(overviews), "*"),
    "rows from south to north": (alike_but_flipped, "*"),
    "one file from south to north": (one(data=PHASE[1, ::-1], transform=Affine(30, 0, UTM.c, 0, 30, UTM.f - 360)), "*"),
    "pixel is point": (phases(tags={"AREA_OR_POINT": "Point"}), "*"),
    "a CRS in feet": (phases(crs="EPSG:2263"), "*"),
    "longitudes and latitudes": (phases(**LONLAT), "*"),
    "the same CRS in other words": (one(crs="+proj=utm +zone=14 +datum=WGS84 +units=m +no_defs"), "*"),
    "a rotation of rounding": (phases(transform=Affine(30, 1e-10, UTM.c, 1e-10, -30, UTM.f)), "*"),
    "an origin off by a thousandth of a pixel": (one(transform=Affine(30, 0, UTM.c + 0.03, 0, -30, UTM.f)), "*"),
    "no CRS at all": (phases(crs=None), "*"),
    "no-data -9999": (phases(values=np.nan_to_num(PHASE, nan=-9999), nodata=-9999), "*"),
    "no-data of the smallest float": (
        phases(values=np.nan_to_num(PHASE, nan=np.finfo(np.float32).min), nodata=float(np.finfo(np.float32).min)),
        "*",
    ),
    "no-data 1e20 in one file": (one(data=np.nan_to_num(PHASE[1], nan=1e20), nodata=1e20), "*"),
    "no-data infinite": (phases(values=np.nan_to_num(PHASE, nan=np.inf)), "*"),
    "no-data minus zero": (phases(values=np.where(ZEROS == 0, np.float32(-0.0), ZEROS), nodata=0), "*"),
    "no-data in a tag": (phases(values=np.nan_to_num(PHASE, nan=-1e4), tags={"NODATA": "-10000"}), "*"),
    "unit in capitals": (phases(units="RADIANS"), "*"),
    "unit in a tag": (phases(tags={"Units": "radian"}), "*"),
    "extension in capitals": (phases("{}_unw.TIF"), "*"),
    "spaces in names": (phases("my {}_unw.tif"), "*"),
    "letters of other alphabets": (phases("México_{}_unw.tif"), "*"),
    "numbers that are no dates": (phases("T042_000123_{}_unw.tif"), "*"),
    "a prefix and a version": (phases("S1A_{}_VV_8rlks_v2_unw.tif"), "*"),
    "times of day": (renamed(*(f"{'_'.join(f'{d}T010203' for d in pair.split('_'))}_unw.tif" for pair in PAIRS)), "*"),
    "dashes": (
        renamed("2019-06-10_2019-06-22_unw.tif", "2019-06-22_2019-07-04_unw.tif", "2019-06-10_2019-07-04_unw.tif"),
        "*",
    ),
    "six digits": (renamed("190610-190622_unw.tif", "190622-190704_unw.tif", "190610-190704_unw.tif"), "*"),
    "names of months": (
        renamed("10Jun2019_22Jun2019_unw.tif", "22Jun2019_04Jul2019_unw.tif", "10Jun2019_04Jul2019_unw.tif"),
        "*",
    ),
    "folders of pairs": (renamed(*(f"{pair}/filtered_unw.tif" for pair in PAIRS)), "*"),
    "coherence in bytes": (beside("coh", np.round(COHERENCE * 255).astype(np.uint8)), "coherence"),
    "coherence with a scale": (beside("coh", np.round(COHERENCE * 1e4).astype(np.int16), scale=1e-4), "coherence"),
    "coherence of zeros where there is none": (beside("coh", np.where(np.isnan(PHASE), 0, COHERENCE)), "coherence"),
    "labels as floats": (beside("conncomp", LABELS.astype(np.float32)), "connected_component_labels"),
    "labels with 255 for none": (beside("conncomp", LABELS, nodata=255), "connected_component_labels"),
    "NetCDF without a CRS": (netcdf(), "NetCDF"),
    "NetCDF from south to north": (netcdf(lambda data: data[::-1]), "NetCDF"),
    "NetCDF with coordinates in float32": (
        netcdf(lambda data: data.assign_coords(lat=data.lat.astype("f4"), lon=data.lon.astype("f4"))),
        "NetCDF",
    ),
    "NetCDF packed": (netcdf(dtype="int16", scale_factor=0.001, _FillValue=-32768), "NetCDF"),
    "NetCDF with a fill value": (netcdf(_FillValue=np.float32(-9999)), "NetCDF"),
    "NetCDF with one time": (netcdf(lambda data: data.expand_dims("time")), "NetCDF"),
    "NetCDF from 0 to 360": (netcdf(lambda data: data.assign_coords(lon=data.lon + 360)), "NetCDF"),
    "NetCDF with missing_value": (
        netcdf(lambda data: data.fillna(-999.0).assign_attrs(missing_value=np.float32(-999))),
        "NetCDF",
    ),
    "NetCDF with a valid range": (
        netcdf(lambda data: data.fillna(9999.0).assign_attrs(valid_range=np.float32([-100, 100]))),
        "NetCDF",
    ),
    "NetCDF-3": (classic, "NetCDF"),
    "no-data in .aux.xml": (described("<NoDataValue>7777</NoDataValue>", np.nan_to_num(PHASE, nan=7777)), "*"),
    "several no-data values in a tag": (
        phases(
            values=np.where(np.isnan(PHASE), np.float32([-9999] * 8 + [7777] * 8), PHASE),
            tags={"NODATA": "-9999, 7777"},
        ),
        "*",
    ),
    "no-data of a tag that is none": (phases(tags={"nodata": "None"}), "*"),
    "an internal mask in one file": (after(internal_mask), "*"),
    "world files": (world_files, "*"),
    "only part of the tiles written": (phases(SPARSE_OK="TRUE"), "*"),
    "coherence in percent, as its unit says": (beside("coh", COHERENCE * 100, units="%"), "coherence"),
    "coherence with its own no-data value": (
        beside("coh", np.where(np.isnan(PHASE), np.float32(-1), COHERENCE), nodata=-1),
        "coherence",
    ),
    "coherence of pairs the other way round": (swapped_companion, "coherence"),
    "big-endian ENVI": (edited_header("byte order = 0", "byte order = 1", dtype=">f4"), "*"),
    "ENVI that ignores a value": (
        edited_header("byte order = 0", "byte order = 0\ndata ignore value = -99", np.nan_to_num(PHASE, nan=-99)),
        "*",
    ),
    "ENVI bsq": (envi("bsq"), "*"),
    "ENVI bil": (envi("bil"), "*"),
    "Erdas Imagine": (phases("{}_unw.img", driver="HFA"), "*"),
    "VRT of GeoTIFF": (as_vrt, "*"),
}
REFUSED: dict[str, tuple[Write, str]] = {
    "a unit of another kind": (phases(units="degrees"), "unit tag says 'degrees'; say what it is with units="),
    "velocities": (phases(units="m/yr"), "unit tag says 'm/yr'"),
    "complex numbers": (
        phases(values=np.exp(1j * PHASE).astype(np.complex64)),
        "holds complex numbers; unwrapped phase",
    ),
    "two images in a file": (
        lambda folder: after(lambda path: shutil.copy(_two_bands(path.with_name("b.tif")), path))(folder),
        "has 2 bands; write",
    ),
    "NetCDF with an offset": (
        netcdf(dtype="int16", scale_factor=0.001, add_offset=1.0, _FillValue=-32768),
        "has a band offset of 1.0; write the values without it",
    ),
    "NetCDF of two times": (netcdf(lambda data: xr.concat([data, data], "time")), "has 2 bands; write the one to use"),
    "a unit in one .aux.xml": (
        lambda folder: (
            phases()(folder),
            (folder / f"{TIF}.aux.xml").write_text(
                '<PAMDataset><PAMRasterBand band="1"><UnitType>mm</UnitType></PAMRasterBand></PAMDataset>'
            ),
        ),
        "units: none in .* but mm in .*; give units=",
    ),
    "cycles": (phases(units="cycles"), "unit tag says 'cycles'; say what it is with units="),
    "millimetres by a tag of another program": (phases(tags={"DATA_UNITS": "MILLIMETRES"}), "sign: .* say sign="),
    "coherence of whole numbers to 10000": (
        beside("coh", np.round(COHERENCE * 1e4).astype(np.uint16)),
        "outside 0 to 1",
    ),
    "complex coherence": (beside("coh", (COHERENCE + 0j).astype(np.complex64)), "holds complex numbers"),
    "labels beyond 16 bits": (beside("conncomp", LABELS.astype(np.int32) * 70000), "largest possible is 65534"),
    "coherence in another CRS": (beside("coh", COHERENCE, **LONLAT), r"--resample"),
    "an empty companion": (
        lambda folder: (beside("coh", COHERENCE)(folder), (folder / f"{PAIRS[1]}_coh.tif").write_bytes(b"")),
        r"coh.tif: is empty \(0 bytes\); download or create it again",
    ),
    "a table of baselines with semicolons": (with_table("date;bperp_m\n20190610;0\n"), "baselines.csv: has no column"),
    "a table of baselines without a date": (with_table("date,bperp_m\n20190610,0\n20190622,5\n"), "baselines"),
    "a table of baselines with an empty cell": (
        with_table("date,bperp_m\n20190610,0\n20190622,5\n20190704,\n"),
        "line 4: has no bperp_m; give one in metres",
    ),
    "phase and displacement": (
        lambda folder: (phases()(folder), write_raster(folder / f"{PAIRS[0]}_disp.tif", PHASE[0])),
        "both unwrapped phase and displacement; give a pattern",
    ),
    "ENVI that was cut": (
        lambda folder: (envi("bsq")(folder), os.truncate(folder / f"{PAIRS[1]}_unw.img", 700)),
        "has 700 of 768 bytes, it is truncated; replace it",
    ),
    "a shift by half a pixel": (
        one(transform=Affine(30, 0, UTM.c + 15, 0, -30, UTM.f)),
        r"0.5 columns, not whole ones; warp .*\(--resample\)",
    ),
    "another size": (one(data=PHASE[1, :-1]), "11 x 16 pixels instead of 12 x 16; say which .*--extent"),
    "a rotation": (one(transform=Affine(30, 3, UTM.c, 3, -30, UTM.f)), "is rotated .* with gdalwarp"),
    "an empty file": (after(lambda path: path.write_bytes(b"")), r"is empty \(0 bytes\); download or create it again"),
    "a cut file": (after(lambda path: path.write_bytes(path.read_bytes()[:300])), "is not a readable|truncated"),
    "a web page": (after(lambda path: path.write_text("<html>login</html>")), "is not a readable GTiff raster"),
    "a link to nothing": (
        after(lambda path: (path.unlink(), os.symlink("gone.tif", path))),
        "is a link to what is not there; fetch that, or",
    ),
    "a folder of that name": (after(lambda path: (path.unlink(), path.mkdir())), "is a folder; give files"),
    "the same date twice": (
        renamed("20190610_20190610_unw.tif"),
        "both dates are 20190610; a pair has two different dates",
    ),
    "a pair twice": (renamed("20190610_20190622_unw.tif", "v2_20190610_20190622_unw.tif"), "keep one of them"),
    "three dates": (renamed("20190610_20190622_20190704_unw.tif"), "expected two dates .* give a pattern"),
    "coherence in percent": (beside("coh", COHERENCE * 100), "coherence from .*, outside 0 to 1"),
    "labels that are no numbers of parts": (beside("conncomp", COHERENCE), "labels that are not whole numbers"),
    "NetCDF the other way round": (netcdf(lambda data: data.T), "write it with rows along the latitude"),
    "NetCDF of uneven rows": (netcdf(lambda data: data[[0, 1, 2, 5, 6]]), "not evenly spaced"),
    "NetCDF of two images": (
        netcdf(lambda data: xr.Dataset({"phase": data, "amplitude": data})),
        r"choose one with variable=",
    ),
}


def _two_bands(path: Path) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=12, width=16, count=2, dtype="float32", crs="EPSG:32614", transform=UTM
    ) as f:
        f.write(PHASE[:2])
    return path


def opened(folder: Path, pattern: str = "") -> xr.Dataset:
    """The stack, computed, whatever is said of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StackWarning)
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return ia.open_stack(f"{folder}/{pattern}" if pattern else folder).compute()


@pytest.mark.parametrize("name", READ)
def test_it_is_read_rightly(tmp_path, name):
    write, what = READ[name]
    write(tmp_path)
    stack = opened(tmp_path, "*.nc" if what == "NetCDF" else "")
    order = [list(stack.pair.values).index(pair) for pair in _labels(stack)]
    if float(stack.y[0]) < float(stack.y[-1]) and "spatial_ref" in stack.coords:
        stack = stack.isel(y=slice(None, None, -1))
    np.testing.assert_allclose(stack.unwrapped_phase.values[order], PHASE, atol=6e-4)
    if what == "NetCDF":
        assert (float(stack.x[0]), float(stack.y[0])) == pytest.approx((10.0005, 44.9995), abs=1e-5)
        assert stack.rio.crs.to_epsg() == 4326
    elif what == "coherence":
        expected = (
            np.where(np.isnan(PHASE), np.nan, COHERENCE) if "zeros" in name or "own no-data" in name else COHERENCE
        )
        np.testing.assert_allclose(np.nan_to_num(stack.coherence.values[order]), np.nan_to_num(expected), atol=3e-3)
    elif what != "*":
        np.testing.assert_array_equal(stack[what].values[order], LABELS)


def _labels(stack: xr.Dataset) -> list[str]:
    """Labels of the pairs in the order of `PAIRS`, which have times of day in one case."""
    days = {label.replace("T010203", ""): label for label in stack.pair.values.tolist()}
    return [days[pair] for pair in PAIRS]


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line_that_helps(tmp_path, name):
    write, words = REFUSED[name]
    write(tmp_path)
    with pytest.raises(InsarrayError, match=words) as caught:
        opened(tmp_path, "*.nc" if "NetCDF" in name else "")
    assert "\n" not in str(caught.value)


def test_newer_first_is_turned_round(tmp_path):
    phases()(tmp_path)
    (tmp_path / TIF).unlink()
    write_raster(tmp_path / "20190704_20190622_unw.tif", -PHASE[1])
    stack = opened(tmp_path)
    np.testing.assert_array_equal(stack.unwrapped_phase.sel(pair=PAIRS[1]), PHASE[1])
