"""FLATSIM's folders int_YYYYMMDD_YYYYMMDD and those beside them, geocoded or in radar coordinates."""

from pathlib import Path

import numpy as np
import rasterio

from tests.io.products.scene import DEGREES, Scene
from tests.io.stack_files import write_raster


def place(where: str) -> dict[str, object]:
    """Coordinates of the files."""
    return {"crs": "EPSG:4326", "transform": DEGREES} if where == "geo" else {"crs": None}


def write_flatsim(folder: Path, scene: Scene, where: str = "geo", *, up: bool = False) -> Path:
    """Write the pairs and the line of sight; `up` turns the vectors of the latter to the satellite."""
    for k, (first, second) in enumerate(scene.pairs):
        inside = folder / f"int_{first}_{second}"
        name = f"_{where}_{first}_{second}"
        write_raster(inside / f"CNES_InU{name}_sd_era_8rlks.tiff", scene.phase(k), nodata=0, **place(where))
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
