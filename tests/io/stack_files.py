"""Files of a small stack with known truth, written the way the products write them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

WAVELENGTH = 0.0555
PAIRS = ("20200101_20200113", "20200101_20200125", "20200113_20200125", "20200125_20200206")
UTM = Affine(30.0, 0.0, 600_000.0, 0.0, -30.0, 2_150_000.0)


def write_raster(
    path: Path,
    data: np.ndarray,
    *,
    crs: str | None = "EPSG:32614",
    transform: object = UTM,
    nodata: float | None = None,
    units: str | None = None,
    tags: dict[str, str] | None = None,
    driver: str = "GTiff",
    scale: float = 1.0,
    **creation: object,
) -> Path:
    """One band in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {} if crs is None else {"crs": crs, "transform": transform}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=driver, height=data.shape[0], width=data.shape[1], count=1,
            nodata=nodata, **place, **{"dtype": data.dtype, **creation},
        ) as file:  # fmt: skip
            file.write(data, 1)
            if units is not None:
                file.units = (units,)
            if scale != 1.0:
                file.scales = (scale,)
            file.update_tags(**(tags or {}))
    return path


@dataclass
class Truth:
    """What went into the files: phase in radians, later minus earlier date, positive away from the satellite."""

    pairs: Sequence[str] = PAIRS
    shape: tuple[int, int] = (20, 30)
    phase: np.ndarray = field(init=False)
    coherence: np.ndarray = field(init=False)
    components: np.ndarray = field(init=False)
    baselines: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        size = (len(self.pairs), *self.shape)
        self.phase = rng.normal(0, 5, size).astype(np.float32)
        self.coherence = rng.uniform(0.1, 0.9, size).astype(np.float32)
        self.components = rng.integers(1, 4, size).astype(np.uint16)
        self.baselines = np.round(rng.normal(0, 80, len(self.pairs)), 2)

    def write(self, folder: Path, **options: object) -> Path:
        """Write ``PAIR.unw.tif`` and ``PAIR.cor.tif`` of every pair."""
        for k, pair in enumerate(self.pairs):
            write_raster(folder / f"{pair}.unw.tif", self.phase[k], **options)
            write_raster(folder / f"{pair}.cor.tif", self.coherence[k])
        return folder

    def write_components(self, folder: Path) -> None:
        """Write ``PAIR.conncomp.tif`` of every pair."""
        for k, pair in enumerate(self.pairs):
            write_raster(folder / f"{pair}.conncomp.tif", self.components[k], nodata=65535)

    def write_baselines(self, path: Path) -> Path:
        """Write the table of perpendicular baselines."""
        rows = [f"{pair.replace('_', ',')},{b}" for pair, b in zip(self.pairs, self.baselines, strict=True)]
        path.write_text("\n".join(["reference,secondary,bperp_m", *rows]))
        return path

    def write_dolphin(self, folder: Path) -> Path:
        """Write dolphin's folder."""
        for k, pair in enumerate(self.pairs):
            write_raster(folder / "unwrapped" / f"{pair}.unw.tif", self.phase[k], nodata=0, units="radians")
            write_raster(folder / "unwrapped" / f"{pair}.unw.conncomp.tif", self.components[k], nodata=65535)
            write_raster(folder / "interferograms" / f"{pair}.int.cor.tif", self.coherence[k], nodata=0)
        return folder

    def write_mintpy(self, folder: Path, attrs: dict[str, str] | None = None, **layout: object) -> Path:
        """Write MintPy's stack, a geometry file beside it; returns the stack."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "ifgramStack.h5"
        with h5py.File(path, "w") as file:
            file.attrs.update({"WAVELENGTH": str(WAVELENGTH), "FILE_TYPE": "ifgramStack", **(attrs or {})})
            file["date"] = np.array([pair.split("_") for pair in self.pairs], "S8")
            file["bperp"] = self.baselines.astype(np.float32)
            file["dropIfgram"] = np.ones(len(self.pairs), bool)
            file.create_dataset("unwrapPhase", data=self.phase, **layout)
            file.create_dataset("coherence", data=self.coherence, **layout)
            file.create_dataset("connectComponent", data=self.components.astype(np.int16), **layout)
        with h5py.File(folder / "geometryRadar.h5", "w") as file:
            file["incidenceAngle"] = np.full(self.shape, 35.0, np.float32)
            file["slantRangeDistance"] = np.full(self.shape, 8e5, np.float32)
            file["height"] = np.arange(np.prod(self.shape), dtype=np.float32).reshape(self.shape)
            file["waterMask"] = np.indices(self.shape).sum(0) % 2 == 0
        return path
