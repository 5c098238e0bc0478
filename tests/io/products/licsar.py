"""A LiCSAR frame, as LiCSBAS downloads it (GEOC/) or as the portal has it (interferograms/, metadata/).

Names: yumorishita/LiCSBAS, bin/LiCSBAS01_get_geotiff.py. What 0 means, and bytes of the coherence since October 2019:
bin/LiCSBAS02_ml_prep.py.
"""

from pathlib import Path

import numpy as np

from tests.io.products.scene import DEGREES, Scene
from tests.io.stack_files import write_raster

FRAME = "078A_07049_131313"
CENTRE_RANGE = 880080.5691
METADATA = f"""master=20190610
center_time=00:25:49.844585
heading=-13.775063
avg_incidence_angle=39.1918
azimuth_resolution=14.068910
range_resolution=2.329562
centre_range_m={CENTRE_RANGE}
avg_height=2165.176
applied_DEM=CopernicusDEM_30m
"""


def write_frame(folder: Path, scene: Scene, *, portal: bool = False, bytes_: bool = True, down: bool = False) -> Path:
    """Write a frame; returns the folder to open. `down` turns the vectors from the satellite to the ground."""
    pairs, texts = (folder / "interferograms", folder / "metadata") if portal else (folder / "GEOC",) * 2
    texts.mkdir(parents=True, exist_ok=True)
    where = {"crs": "EPSG:4326", "transform": DEGREES}
    for k, pair in enumerate(scene.pairs):
        base = pairs / "_".join(pair) / "_".join(pair)
        write_raster(base.with_name(f"{base.name}.geo.unw.tif"), scene.phase(k), nodata=0, **where)
        coherence = np.round(scene.coherence[k] * 255).astype(np.uint8) if bytes_ else scene.coherence[k]
        write_raster(base.with_name(f"{base.name}.geo.cc.tif"), coherence, **where)
        write_raster(base.with_name(f"{base.name}.geo.diff_pha.tif"), scene.phase(k) % 1, **where)
    for name, values in zip("ENU", scene.line_of_sight, strict=True):
        vector = np.where(scene.seen, -values if down else values, 0).astype(np.float32)
        write_raster(texts / f"{FRAME}.geo.{name}.tif", vector, nodata=0, **where)
    write_raster(texts / f"{FRAME}.geo.hgt.tif", np.where(scene.seen, scene.height, 0), nodata=0, **where)
    (texts / "metadata.txt").write_text(METADATA)
    write_baselines(texts / "baselines", scene)
    return folder if portal else folder / "GEOC"


def write_baselines(path: Path, scene: Scene, *, old: bool = False) -> None:
    """Write the list of baselines, relative to the second date; nine columns in the old form."""
    master = scene.dates[1]
    level = {date: scene.baselines[date] - scene.baselines[master] for date in scene.dates}
    if old:
        rows = [
            f"{k + 1:4d} {a} {b} {level[b] - level[a]:.2f} 12.0 -12.0 12.0 {level[a]:.2f} {level[b]:.2f}"
            for k, (a, b) in enumerate(scene.pairs)
        ]
    else:
        rows = [f"{master} {date} {level[date]:.2f} 12.0" for date in scene.dates if date != master]
    path.write_text("\n".join(rows) + "\n")
