"""FLATSIM's folders int_YYYYMMDD_YYYYMMDD and those beside them, geocoded or in radar coordinates.

Documentation of the service (ForM@Ter): CosENU.html (east, north, up; from the satellite to the ground), InWF.html (band 1 the
phase, band 2 the coherence or the amplitude; here of InU, too). NSBAS counts range increase positive.
"""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from tests.io.products.scene import DEGREES, Scene
from tests.io.stack_files import write_raster


def place(where: str) -> dict[str, object]:
    """Coordinates of the files."""
    return {"crs": "EPSG:4326", "transform": DEGREES} if where == "geo" else {"crs": None}


def _two_bands(path: Path, phase: np.ndarray, coherence: np.ndarray, where: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = phase.shape
    options = {"driver": "GTiff", "count": 2, "dtype": "float32", "height": rows, "width": cols, "nodata": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **options, **{k: v for k, v in place(where).items() if v is not None}) as file:
            file.write(np.stack([phase, coherence]).astype(np.float32))


def write_flatsim(folder: Path, scene: Scene, where: str = "geo", *, up: bool = False) -> Path:
    """Write the pairs and the line of sight; `up` turns the vectors of the latter to the satellite."""
    for k, (first, second) in enumerate(scene.pairs):
        inside = folder / f"int_{first}_{second}"
        name = f"_{where}_{first}_{second}"
        _two_bands(inside / f"CNES_InU{name}_sd_era_8rlks.tiff", scene.phase(k), scene.coherence[k], where)
        write_raster(inside / f"CNES_InW{name}_2rlks.tiff", scene.phase(k) % 1, **place(where))
        write_raster(inside / f"CNES_Coh{name}_8rlks.tiff", scene.coherence[k], **place(where))
        (inside / f"CNES_InU{name}_sd_era_8rlks.meta").write_text("Product_type: InU\nRlooks_unw: 8\n")
    vector = np.where(scene.seen, scene.line_of_sight * (1 if up else -1), 0).astype(np.float32)
    path = folder / "DAUX" / f"CNES_CosENU_{where}_8rlks.tiff"
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"driver": "GTiff", "count": 3, "dtype": "float32", "height": scene.shape[0], "width": scene.shape[1]}
    if where == "geo":
        options |= place(where)
    with rasterio.open(path, "w", **options) as file:
        file.write(vector)
    return folder
