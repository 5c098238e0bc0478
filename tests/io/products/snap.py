"""SNAP's terrain-corrected products: a .dim and a .data folder for each pair.

Names of the bands: those of SnaphuImportOp, without and (since 2019) with the polarisation at the end, as public listings of
products have them.
"""

from pathlib import Path

import numpy as np

from tests.io.products.scene import DEGREES, Scene
from tests.io.stack_files import write_raster

FREQUENCY = 5405.000454334349
WAVELENGTH = 299_792_458.0 / (FREQUENCY * 1e6)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_DIM = """<?xml version="1.0" encoding="ISO-8859-1"?>
<Dimap_Document name="{name}.dim"><Dataset_Sources><MDElem name="metadata">
<MDElem name="Abstracted_Metadata">
<MDATTR name="MISSION" type="ascii" mode="rw">SENTINEL-1A</MDATTR>
<MDATTR name="radar_frequency" type="float64" unit="MHz" mode="rw">{frequency}</MDATTR>
<MDATTR name="range_looks" type="float64" mode="rw">{looks}</MDATTR>
<MDATTR name="azimuth_looks" type="float64" mode="rw">2.0</MDATTR>
<MDATTR name="comment" type="ascii" mode="rw">angles in \xb0</MDATTR>
{inside}</MDElem>{beside}</MDElem></Dataset_Sources></Dimap_Document>
"""


def snap_date(date: str) -> str:
    """20190610 is 10Jun2019."""
    return f"{date[6:]}{_MONTHS[int(date[4:6]) - 1]}{date[:4]}"


def _baselines(first: str, second: str, value: float) -> str:
    def column(date: str, meters: float) -> str:
        return (
            f'<MDElem name="Secondary_{date}"><MDATTR name="Perp Baseline" type="float64">{meters}</MDATTR>'
            '<MDATTR name="Temp Baseline" type="float64">-12.0</MDATTR></MDElem>'
        )

    rows = ((first, 0.0, value), (second, -value, 0.0))
    listed = "".join(f'<MDElem name="Ref_{a}">{column(first, b)}{column(second, c)}</MDElem>' for a, b, c in rows)
    return f'<MDElem name="Baselines">{listed}</MDElem>'


def write_pair(
    folder: Path, scene: Scene, k: int, *, inside: bool = True, frequency: float = FREQUENCY, step: str = "unw_tc"
) -> Path:
    """Write the products of a pair; returns the .dim of the unwrapped phase.

    The baselines are `inside` the abstracted metadata, or beside them.
    """
    first, second = (snap_date(date) for date in scene.pairs[k])
    name = "_".join(scene.pairs[k])
    listed = _baselines(first, second, scene.baseline(k))
    where = {"crs": "EPSG:4326", "transform": scene.transform(k, DEGREES), "driver": "ENVI"}
    images = {
        f"{name}_{step}": {
            f"Unw_Phase_ifg_{first}_{second}_VV": scene.phase(k),
            "incidenceAngleFromEllipsoid": scene.cut(k, np.degrees(np.arccos(scene.line_of_sight[2]))),
            "elevation": scene.cut(k, scene.height),
        },
        f"{name}_coh_tc": {f"coh_IW2_VV_{first}_{second}": scene.cut(k, scene.coherence[k])},
    }
    for product, bands in images.items():
        for band, values in bands.items():
            write_raster(folder / f"{product}.data" / f"{band}.img", values.astype(np.float32), **where)
        text = _DIM.format(
            name=product, frequency=frequency, looks=8.0, inside=listed * inside, beside=listed * (not inside)
        )
        (folder / f"{product}.dim").write_bytes(text.encode("latin-1"))
    return folder / f"{name}_{step}.dim"


def write_products(folder: Path, scene: Scene, **options: object) -> list[Path]:
    """Write all pairs; returns their .dim files."""
    return [write_pair(folder, scene, k, **options) for k in range(len(scene.pairs))]


def image(dim: Path) -> Path:
    """The unwrapped phase of a product."""
    (found,) = dim.with_suffix(".data").glob("Unw_Phase*.img")
    return found
