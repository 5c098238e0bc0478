"""Heights of the geoid above the ellipsoid, from a grid in the data folders of PROJ; nothing is downloaded."""

import os
from pathlib import Path

import numpy as np

from insarray.model.errors import ArgumentError

GRIDS = ("us_nga_egm08_25.tif", "us_nga_egm96_15.tif", "egm08_25.gtx", "egm96_15.gtx")
"""Files of EGM2008 and EGM96, in the order in which they are looked for; the two differ by less than a metre nearly everywhere."""


def geoid_heights(lat: np.ndarray, lon: np.ndarray) -> tuple[str, np.ndarray]:
    """Name of the grid, and the height of the geoid above the ellipsoid in m at WGS 84 degrees.

    Raises
    ------
    ArgumentError
        If PROJ has none of the grids, or the grid does not cover the places.
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    path = _found()
    text = (
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f'+step +proj=vgridshift +grids="{path}" +multiplier=1 +step +proj=unitconvert +xy_in=rad +xy_out=deg'
    )
    turned = (lon + 180.0) % 360.0 - 180.0
    try:
        height = np.asarray(
            Transformer.from_pipeline(text).transform(turned, lat, np.zeros(lat.shape), errcheck=False)[2]
        )
    except ProjError as error:
        raise ArgumentError(f"dem_heights: PROJ cannot read {path} ({error}); fetch it again with projsync") from error
    if not np.isfinite(height).all():
        raise ArgumentError(f"dem_heights: {path} does not cover the data; convert the heights of the DEM yourself")
    return path.name, height


def _found() -> Path:
    from pyproj import datadir

    folders = [*datadir.get_data_dir().split(os.pathsep), datadir.get_user_data_dir()]  # type: ignore[attr-defined]
    for name in GRIDS:
        for folder in folders:
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    raise ArgumentError(
        f"dem_heights: the heights of the DEM have to be converted, and PROJ has no geoid ({', '.join(GRIDS[:2])}); fetch one "
        f"with 'pyproj sync --file {GRIDS[0]}', convert the DEM, or leave dem_heights out (some millimetres a date)"
    )
