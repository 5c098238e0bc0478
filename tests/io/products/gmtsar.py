"""GMTSAR's folders of pairs: grids of GMT, with the table of baselines above and the PRM files of both images.

gmtsar/gmtsar, gmtsar/csh: folders and PRM files intf_tops.csh; grids, their units, and the sign (LOS displacement is
-wavelength / 4 pi times the phase, which is "-1 * range change") geocode.csh; components and registration snaphu.csh; columns of
the table of baselines baseline_table.csh.
"""

from pathlib import Path

import numpy as np
import xarray as xr

from tests.io.products.scene import DEGREES, Scene

WAVELENGTH = 0.0554658
NEAR, RATE, BINS = 845_000.0, 64_345_238.125714, 21_000
MIDDLE = NEAR + BINS / 2 * 299_792_458.0 / (2 * RATE)


def yyyyddd(date: str) -> str:
    """20190610 is 2019160: the day of the year, counted from 0."""
    day = np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}")
    return f"{date[:4]}{int((day - day.astype('datetime64[Y]')).astype(int)):03d}"


def pair_folder(folder: Path, scene: Scene, k: int) -> Path:
    """Folder of pair `k` in the folder of the pairs."""
    return folder / "_".join(map(yyyyddd, scene.pairs[k]))


def write_grd(
    path: Path,
    values: np.ndarray,
    axes: tuple[np.ndarray, np.ndarray],
    *,
    pixel: bool = False,
    classic: bool = False,
    names: tuple[str, str] = ("lat", "lon"),
    units: str = "",
) -> Path:
    """Write a grid as GMT does: rows from south to north, `axes` (y, x) of the nodes, registered to them or to pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coords = {}
    for name, nodes in zip(names, axes, strict=True):
        half = (nodes[1] - nodes[0]) / 2 if pixel else 0.0
        coords[name] = (name, nodes, {"long_name": name, "actual_range": [nodes[0] - half, nodes[-1] + half]})
    grid = xr.Dataset(
        {"z": (names, values.astype(np.float32), {"long_name": "z", "units": units} if units else {"long_name": "z"})},
        coords,
        {"Conventions": "CF-1.7", "title": "", "GMT_version": "6.4.0"},
    )
    if pixel:
        grid.attrs["node_offset"] = np.int32(1)
    kind = {"engine": "scipy", "format": "NETCDF3_CLASSIC"} if classic else {"engine": "h5netcdf"}
    bare = {name: {"_FillValue": None} for name in names}
    grid.to_netcdf(path, encoding={"z": {"_FillValue": np.float32(np.nan)}, **bare}, **kind)
    return path


def nodes(scene: Scene, k: int, *, west: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes, ascending, and longitudes of the pixel centres of pair `k`; `west` is added to the longitudes."""
    here, (_, _, height, width) = scene.transform(k, DEGREES), scene.part(k)
    lat = here.f + here.e * (np.arange(height) + 0.5)
    return lat[::-1], here.c + here.a * (np.arange(width) + 0.5) + west


def write_pair(folder: Path, scene: Scene, k: int, *, west: float = 360.0, **registration: bool) -> Path:
    """Write the geocoded grids of a pair and its PRM files; returns its folder."""
    pair = pair_folder(folder, scene, k)
    axes = nodes(scene, k, west=west)
    phase = np.where(scene.cut(k, scene.seen), scene.phase(k), np.nan)
    write_grd(pair / "unwrap_ll.grd", phase[::-1], axes, units="radians", **registration)
    coherence = scene.cut(k, scene.coherence[k])[::-1]
    write_grd(pair / "corr_ll.grd", coherence, axes, units="dimensionless", **registration)
    for date in scene.pairs[k]:
        write_prm(pair / f"S1_{date}_ALL_F1.PRM")
    return pair


def write_prm(path: Path, wavelength: object = WAVELENGTH) -> None:
    """Write what is read of a PRM file, and something else."""
    path.write_text(
        f"num_rng_bins\t\t= {BINS} \nSC_identity\t\t= 10 \nradar_wavelength\t= {wavelength} \n"
        f"near_range\t\t= {NEAR} \nrng_samp_rate\t\t= {RATE} \nled_file\t\t= S1.LED \n"
    )


def write_products(folder: Path, scene: Scene, **options: object) -> Path:
    """Write all pairs to intf_all/ and the table of baselines above; returns intf_all/."""
    pairs = folder / "intf_all"
    for k in range(len(scene.pairs)):
        write_pair(pairs, scene, k, **options)
    write_table(folder / "baseline_table.dat", scene)
    return pairs


def write_table(path: Path, scene: Scene) -> None:
    """Write the table of baselines, relative to the second date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    master = scene.baselines[scene.dates[1]]
    rows = [
        f"S1_{date}_ALL_F1 {yyyyddd(date)}.5243055556 {100 + k} {-3.25 * k} {scene.baselines[date] - master:.9f} {k} {-k}"
        for k, date in enumerate(scene.dates)
    ]
    path.write_text("\n".join(rows) + "\n")


def write_radar_pair(folder: Path, scene: Scene, k: int) -> Path:
    """Write the grids of a pair in radar coordinates, 8 x 2 looks, with connected components; returns its folder."""
    pair = pair_folder(folder, scene, k)
    rows, cols = scene.shape
    axes = (2.0 * np.arange(rows) + 1, 8.0 * np.arange(cols) + 4)
    options = {"pixel": True, "names": ("y", "x")}
    phase = np.where(scene.seen, scene.phase(k), np.nan)
    write_grd(pair / "unwrap.grd", phase[::-1], axes, **options)
    write_grd(pair / "corr.grd", scene.coherence[k][::-1], axes, **options)
    write_grd(pair / "conncomp.grd", scene.seen[::-1], axes, **options)
    return pair
