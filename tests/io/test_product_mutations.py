"""Properties of files of products, series and tables, one at a time: read rightly, or refused in one line that helps."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr

import insarray as ia
from insarray.model.errors import InsarrayError, StackWarning
from tests.io.products import gmtsar, hyp3, licsar, snap
from tests.io.products.aria import SHAPE, AriaProduct
from tests.io.products.opera_disp import WAVELENGTH, DispProduct
from tests.io.products.scene import Scene
from tests.io.stack_files import Truth, write_raster
from tests.io.test_mintpy_series import write as write_mintpy
from tests.io.test_other_series import DATES, SERIES, write_dolphin, write_licsbas
from tests.io.test_point_tables import L2, L2_ROWS, OTHER, OTHER_ROWS, SAID
from tests.io.test_point_tables import write as write_table

SCENE = Scene(shape=(12, 16))
RNG = np.random.default_rng(8)
MOVED = RNG.normal(0, 0.02, SHAPE).astype(np.float32)
MOVED[:2, :3] = np.nan
PHASE = RNG.normal(0, 3, SHAPE).astype(np.float32)
ISLAND = RNG.normal(0, 0.05, (5, 12, 14)).astype(np.float32)
ISLAND[0] = ISLAND[:, 3, 4] = 0
PAIR = "20190610_20190704"
UNWRAPPED = "science/grids/data/unwrappedPhase"

Case = Callable[[Path], tuple[Any, Any, str]]
"""What is found, what should be found, and what has to be said."""


def said_of(function: Callable[[], Any]) -> tuple[Any, str]:
    """The result, and all warnings."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", StackWarning)
        found = function()
    return found, "; ".join(str(one.message) for one in told)


def opera(change: Callable[[h5py.File], object]) -> Case:
    """Two products of OPERA DISP, the second of them changed."""

    def case(folder: Path) -> tuple[Any, Any, str]:
        first = "20190610T010203"
        DispProduct(first, "20190622T010203", MOVED, 10.0).write(folder)
        with h5py.File(DispProduct(first, "20190704T010203", 2 * MOVED, 20.0).write(folder), "a") as file:
            change(file)
        stack, told = said_of(lambda: ia.open_stack(folder).compute())
        return -stack.unwrapped_phase.values * WAVELENGTH / (4 * np.pi), np.stack([MOVED, 2 * MOVED]), told

    return case


def aria(change: Callable[[h5py.File], object]) -> Case:
    """Two products of ARIA, the second of them changed."""

    def case(folder: Path) -> tuple[Any, Any, str]:
        AriaProduct("20190622", "20190610", PHASE).write(folder)
        with h5py.File(AriaProduct("20190704", "20190610", 2 * PHASE).write(folder), "a") as file:
            change(file)
        stack, told = said_of(lambda: ia.open_stack(folder).compute())
        known = np.isfinite(stack.unwrapped_phase.values)
        assert known.mean() > 0.9
        return stack.unwrapped_phase.values, np.where(known, np.stack([PHASE, 2 * PHASE]), np.nan), told

    return case


def of_scene(write: Callable[[Path], Any], change: Callable[[Any], object]) -> Case:
    """A product on rasters, changed."""

    def case(folder: Path) -> tuple[Any, Any, str]:
        written = write(folder)
        change(written)
        what = written if isinstance(written, Path) else folder
        stack, told = said_of(lambda: ia.open_stack(what).compute())
        return stack.unwrapped_phase.values, SCENE.expected_phase(), told

    return case


def licsar_(change: Callable[[Path], object]) -> Case:
    return of_scene(lambda folder: licsar.write_frame(folder, SCENE), change)


def hyp3_(change: Callable[[list[Path]], object]) -> Case:
    return of_scene(lambda folder: hyp3.write_jobs(folder, SCENE), change)


def snap_(instead: bytes) -> Case:
    def change(dims: list[Path]) -> None:
        dims[1].write_bytes(re.sub(rb'(?<=float64">)-?[1-9][\d.]*', instead, dims[1].read_bytes()))

    return of_scene(lambda folder: snap.write_products(folder, SCENE), change)


def gmtsar_(change: Callable[[Path], object]) -> Case:
    return of_scene(lambda folder: gmtsar.write_products(folder, SCENE), change)


def mintpy_(scale: float = 1.0, **attrs: str) -> Case:
    """A series of MintPy with other attributes."""

    def case(folder: Path) -> tuple[Any, Any, str]:
        path = write_mintpy(folder / "timeseries.h5", ISLAND * np.float32(scale), REF_Y="3", REF_X="4", **attrs)
        series, told = said_of(lambda: ia.open(path))
        return series.displacement.values, ISLAND, f"{told} x0 {float(series.x[0]):.4f}"

    return case


def mintpy_stack(change: Callable[[h5py.File], object]) -> Case:
    def case(folder: Path) -> tuple[Any, Any, str]:
        truth = Truth()
        path = truth.write_mintpy(folder / "inputs")
        with h5py.File(path, "a") as file:
            change(file)
        stack, told = said_of(lambda: ia.open_stack(path).compute())
        return stack.unwrapped_phase.values, truth.phase, told

    return case


def licsbas_(**changes: object) -> Case:
    def case(folder: Path) -> tuple[Any, Any, str]:
        series, told = said_of(lambda: ia.open(write_licsbas(folder / "cum.h5", **changes)))
        return series.displacement.values, SERIES, f"{told} x0 {float(series.x[0]):.4f}"

    return case


def table_(header: str, rows: list[str], expected: object, name: str = "ps.csv", **options: object) -> Case:
    def case(folder: Path) -> tuple[Any, Any, str]:
        points = ia.open_points(write_table(folder / name, header, rows), **options)
        return points.displacement.values, np.array(expected), ""

    return case


def refill(file: h5py.File) -> None:
    values = file["displacement"][...]
    file["displacement"][...] = np.nan_to_num(values, nan=-9999)
    file["displacement"].attrs["_FillValue"] = np.float32(-9999)


def upside_down(file: h5py.File) -> None:
    for name in ("y", "displacement"):
        file[name][...] = file[name][...][::-1]


def again(path: Path, change: Callable[[np.ndarray], np.ndarray], **options: object) -> None:
    """Write a raster once more."""
    with rasterio.open(path) as file:
        where = {"crs": file.crs.to_string(), "transform": file.transform, "nodata": file.nodata}
        values = file.read(1)
    write_raster(path, change(values), **(where | options))


def other_grid(pairs: Path, change: Callable[[xr.Dataset], xr.Dataset]) -> None:
    path = sorted(pairs.glob("*/unwrap_ll.grd"))[1]
    data = xr.load_dataset(path, engine="h5netcdf" if h5py.is_hdf5(path) else "scipy")
    path.unlink()
    change(data).to_netcdf(path, engine="h5netcdf")


def in_degrees(data: xr.Dataset) -> xr.Dataset:
    return data.assign({name: data[name].assign_attrs(units="degrees") for name in data.data_vars})


def attribute(name: str, key: str, value: object) -> Callable[[h5py.File], object]:
    return lambda file: file[name].attrs.__setitem__(key, value)


def other_dates(dates: np.ndarray) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        del file["date"]
        file["date"] = dates

    return change


UNW, COH = (f"{PAIR}/{PAIR}.geo.{kind}.tif" for kind in ("unw", "cc"))
MM = [[0.0, 0.00025], [0.0015, -0.0025]]

READ: dict[str, tuple[Case, str]] = {
    "OPERA: another fill value in one file": (opera(refill), ""),
    "OPERA: rows from south to north in one file": (opera(upside_down), ""),
    "OPERA: no unit": (opera(lambda file: file["displacement"].attrs.__delitem__("units")), ""),
    "OPERA: coherence of 1.0005": (opera(lambda file: file["temporal_coherence"].__setitem__((3, 3), 1.0005)), ""),
    "OPERA: one file without coherence": (
        opera(lambda file: file.__delitem__("temporal_coherence")),
        "coherence is left out: 1 of 2 products have none",
    ),
    "OPERA: baseline of NaN": (
        opera(lambda file: file["corrections/perpendicular_baseline"].__setitem__(..., np.nan)),
        "perpendicular baselines are left out: 1 of 2",
    ),
    "ARIA: one file without coherence": (
        aria(lambda file: file.__delitem__("science/grids/data/coherence")),
        "coherence is left out: 1 of 2 products have none",
    ),
    "LiCSAR: baselines are a web page": (
        licsar_(lambda geoc: (geoc / "baselines").write_text("<html>\n404\n</html>\n")),
        "no perpendicular baselines: .*download it again",
    ),
    "LiCSAR: one component of the line of sight": (
        licsar_(lambda geoc: next(geoc.glob("*.geo.E.tif")).unlink()),
        r"the line of sight is left out: there is no \*.geo.E.tif",
    ),
    "HyP3: baseline is a word": (
        hyp3_(lambda jobs: hyp3.edit(hyp3.beside(jobs[1], ".txt"), "Baseline: ", "Baseline: none ")),
        "no perpendicular baselines",
    ),
    "SNAP: baseline of 0": (snap_(b"0.0"), f"no perpendicular baselines: .* has none of {PAIR}"),
    "SNAP: baseline of NaN": (snap_(b"NaN"), "no perpendicular baselines: .*'NaN', not a number"),
    "GMTSAR: rows from north to south": (
        gmtsar_(
            lambda pairs: other_grid(pairs, lambda data: data.isel({next(iter(data.dims)): slice(None, None, -1)}))
        ),
        "",
    ),
    "GMTSAR: one pair without coherence": (
        gmtsar_(lambda pairs: next(pairs.glob("*/corr_ll.grd")).unlink()),
        "coherence is left out: no file for 1 of 4 pairs",
    ),
    "MintPy: degrees without an EPSG code": (
        mintpy_(X_FIRST="10", Y_FIRST="45", X_STEP="0.001", Y_STEP="-0.001", X_UNIT="degrees"),
        "x0 10.0005",
    ),
    "MintPy: longitude 190": (
        mintpy_(X_FIRST="190", Y_FIRST="45", X_STEP="0.001", Y_STEP="-0.001", X_UNIT="degrees"),
        "x0 -169.9995",
    ),
    "MintPy: a baseline of NaN": (
        mintpy_stack(lambda file: file["bperp"].__setitem__(1, np.nan)),
        "no perpendicular baselines: bperp of ifgramStack.h5 is no number for 1 of 4 pairs",
    ),
    "MintPy: coherence of 1.15": (
        mintpy_stack(lambda file: file["coherence"].__setitem__((1, 2, 3), 1.15)),
        "as resampling leaves it, is clipped",
    ),
    "MintPy: dates of six digits": (
        mintpy_stack(other_dates(np.array([[d[2:] for d in pair.split("_")] for pair in Truth().pairs], "S6"))),
        "",
    ),
    "LiCSBAS: dates as text": (licsbas_(imdates=np.array(DATES, "S8")), "x0 10.0000"),
    "LiCSBAS: longitude 370": (licsbas_(corner_lon=370.0), "x0 10.0000"),
    "LiCSBAS: double precision": (licsbas_(cum=SERIES.astype(np.float64) * 1000), "x0 10.0000"),
    "LiCSBAS: a baseline of NaN": (
        licsbas_(bperp=np.array([0, np.nan, 1, 2.0])),
        "no perpendicular baselines: that of 2018-01-18 is no number",
    ),
    "table: centimetres": (
        table_("id,lat,lon,20190105_cm,20190117_cm", ["a,45,9,1,2"], [[0.01], [0.02]], sign="toward"),
        "",
    ),
    "table: a comma at the end of lines": (table_(f"{OTHER},", [f"{row}," for row in OTHER_ROWS], MM, **SAID), ""),
    "table: spaces": (
        table_(OTHER.replace(",", ", "), [row.replace(",", ", ") for row in OTHER_ROWS], MM, **SAID),
        "",
    ),
    "table: Unicode with its mark": (table_(f"\ufeff{OTHER}", list(OTHER_ROWS), MM, **SAID), ""),
}
REFUSED: dict[str, tuple[Case | Callable[[Path], object], str]] = {
    "OPERA: packed": (
        opera(attribute("displacement", "scale_factor", 1e-5)),
        "/displacement has scale_factor 1e-05; write its values without it",
    ),
    "OPERA: millimetres": (opera(attribute("displacement", "units", "mm")), "is in 'mm', metres are needed"),
    "OPERA: coherence in percent": (
        opera(lambda file: file["temporal_coherence"].__setitem__(..., 80)),
        "outside 0 to 1; is it the coherence, unscaled",
    ),
    "OPERA: no wavelength": (
        opera(lambda file: file.__delitem__("identification/radar_wavelength")),
        "has no identification/radar_wavelength; download it again",
    ),
    "OPERA: uneven columns": (
        opera(lambda file: file["x"].__setitem__(5, file["x"][5] + 10)),
        "not in equal steps; download it again",
    ),
    "ARIA: another fill value in one file": (
        aria(attribute(UNWRAPPED, "_FillValue", np.float32(-9999))),
        "fill value is 0 in .* but -9999 in .*; give products of one version",
    ),
    "ARIA: millimetres": (
        aria(attribute(UNWRAPPED, "units", "mm")),
        "unwrappedPhase is in 'mm', not in radians; give the product as distributed",
    ),
    "ARIA: packed": (
        aria(attribute(UNWRAPPED, "scale_factor", 0.5)),
        "has scale_factor 0.5; write its values without it",
    ),
    "LiCSAR: millimetres in one file": (
        licsar_(lambda geoc: again(geoc / UNW, lambda values: values, units="mm")),
        "unit tag says 'mm', but phases of the product are in radians; replace it, or open a pattern",
    ),
    "LiCSAR: a picture of the phase": (
        licsar_(lambda geoc: again(geoc / UNW, lambda values: (values * 9 + 99).astype(np.uint8))),
        "holds bytes, as pictures of phases do; give the file with the phase",
    ),
    "LiCSAR: bytes of coherence as floats": (
        licsar_(lambda geoc: again(geoc / COH, lambda values: values.astype(np.float32))),
        "outside 0 to 1",
    ),
    "HyP3: other looks in one job": (
        hyp3_(lambda jobs: hyp3.edit(hyp3.beside(jobs[1], ".txt"), "Range looks: 20", "Range looks: 10")),
        "range looks: 20.0 in .* but 10.0 in .*; give pairs of the same looks",
    ),
    "GMTSAR: degrees": (
        gmtsar_(lambda pairs: other_grid(pairs, in_degrees)),
        "unit tag says 'degrees', but phases of the product are in radians",
    ),
    "MintPy: millimetres": (mintpy_(1000, UNIT="mm"), "is in 'mm'; displacement in m is needed, write it so"),
    "MintPy: velocities": (mintpy_(UNIT="m/year"), "is in 'm/year'; displacement in m is needed"),
    "MintPy: no wavelength but a word": (mintpy_(WAVELENGTH="None"), "WAVELENGTH, .* cannot be read .*; repair it"),
    "LiCSBAS: a reference with decimals": (licsbas_(refarea="7.0:8.0/12:13"), "is not x1:x2/y1:y2 within the image"),
    "dolphin: a series in millimetres": (
        lambda folder: ia.open(write_dolphin(folder / "timeseries", units="mm")),
        r"is in mm, a series is in metres; open the folder with open_stack",
    ),
    "table: UTF-16": (
        lambda folder: (
            (folder / "ps.csv").write_text("\n".join([OTHER, *OTHER_ROWS]), encoding="utf-16"),
            ia.open_points(folder / "ps.csv", **SAID),
        ),
        "is no text in UTF-8 .*; save it as CSV in UTF-8",
    ),
    "table: a number beyond single precision": (
        table_(OTHER, ["A,45,9,0,1e39,0"], 0, **SAID),
        "d20190117 of point 1 is inf, .* leave cells empty where there is no data",
    ),
    "table: -9999 for no data": (
        table_(OTHER, [OTHER_ROWS[0], "B,45,9,0,-9999,0"], 0, **SAID),
        "d20190117 of point 2 is -9999, .* leave cells empty",
    ),
    "table: latitude 95": (table_(OTHER, ["A,95,9,0,1,0"], 0, **SAID), "are not degrees"),
    "table: two columns of latitudes": (
        table_("id,lat,lat,lon,20190105,20190117", ["a,45,46,9,1,2"], 0, **SAID),
        "has the column lat more than once; keep one of them",
    ),
    "table: decimal commas": (
        table_("id;lat;lon;20190105;20190117", ["a;45,5;9,1;1,5;2"], 0, **SAID),
        "20190105 is '1,5', not a number; write decimals with a point",
    ),
    "table: EGMS without a place": (
        table_(L2, [L2_ROWS[0].replace("4494111.45", "nan")], 0, "EGMS_L2b_088.csv"),
        "point 1 has no coordinates; leave its line out",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_it_is_read_rightly(tmp_path, name):
    case, words = READ[name]
    found, expected, told = case(tmp_path)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert re.search(words, told), told
    assert told == "" or words, told


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line_that_helps(tmp_path, name):
    with pytest.raises(InsarrayError, match=REFUSED[name][1]) as caught:
        refusal(tmp_path, name)
    assert "\n" not in str(caught.value)


def refusal(folder: Path, name: str) -> None:
    """Do what is refused."""
    REFUSED[name][0](folder)
