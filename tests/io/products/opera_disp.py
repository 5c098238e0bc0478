"""Fake OPERA DISP-S1 and DISP-NISAR products: groups, names, units, signs and fill values of the real ones.

Names, units, fill values and types of the layers: opera-adt/disp-s1, src/disp_s1/product_info.py (class
DisplacementProducts). Groups corrections (apparent displacement in metres, to be subtracted from the displacement, zeros where
it was not computed; and reference_point, a dummy with rows, cols, latitudes and longitudes as attributes) and identification:
src/disp_s1/product.py of the same.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from pyproj import CRS

WAVELENGTH = 0.05546576
SHAPE = (24, 30)


@dataclass(frozen=True)
class DispProduct:
    """One product: displacement (m, toward the satellite) of the secondary since the reference date."""

    reference: str
    secondary: str
    displacement: np.ndarray
    baseline: float = 0.0
    version: str = "v1.0"
    made: str = "20241219T231545Z"
    mission: str = "S1"
    wavelength: float = WAVELENGTH
    epsg: int = 32614
    left: float = 600_000.0
    top: float = 2_150_000.0
    reference_point: tuple[int, int] | None = None
    corrections: tuple[float, float] = (0.0, 0.0)
    """Apparent displacement (m) by the ionosphere and the tide at the left edge; it doubles toward the right one."""

    @property
    def name(self) -> str:
        """Of the file."""
        frame = "IW_F11116_VV" if self.mission == "S1" else "F012_HH"
        return f"OPERA_L3_DISP-{self.mission}_{frame}_{self.reference}Z_{self.secondary}Z_{self.version}_{self.made}.nc"

    def write(self, folder: Path) -> Path:
        """Write the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path, shape = folder / self.name, self.displacement.shape
        with h5py.File(path, "w") as file:
            place(file, shape, self.left, self.top, self.epsg)
            layer(file, "displacement", self.displacement.astype(np.float32), np.float32(np.nan), "meters")
            layer(
                file, "short_wavelength_displacement", np.float32(0.5) * self.displacement, np.float32(np.nan), "meters"
            )
            layer(file, "temporal_coherence", np.full(shape, 0.8, np.float32), np.float32(np.nan), "1")
            labels = np.where(np.isfinite(self.displacement), 1, 65535).astype(np.uint16)
            layer(file, "connected_component_labels", labels, np.uint16(65535), "1")
            water = np.ones(shape, np.uint8)
            water[0, 0], water[0, 1] = 0, 255
            layer(file, "water_mask", water, np.uint8(255), "1")
            recommended = np.ones(shape, np.uint8)
            recommended[2, 3], recommended[2, 4] = 0, 255
            layer(file, "recommended_mask", recommended, np.uint8(255), "unitless")
            corrections = file.create_group("corrections")
            baseline = np.full(shape, self.baseline, np.float32)
            layer(corrections, "perpendicular_baseline", baseline, np.float32(np.nan), "meters")
            ramp = np.broadcast_to(np.linspace(1, 2, shape[1]), shape)
            for name, size in zip(("ionospheric_delay", "solid_earth_tide"), self.corrections, strict=True):
                layer(corrections, name, (size * ramp).astype(np.float32), np.float32(np.nan), "meters")
            corrections["reference_point"] = 0
            row_col = [] if self.reference_point is None else [[at] for at in self.reference_point]
            for name, at in zip(("rows", "cols"), row_col or ([], []), strict=True):
                corrections["reference_point"].attrs[name] = np.array(at, np.int64)
            identification = file.create_group("identification")
            identification["radar_wavelength"] = self.wavelength
            identification["reference_datetime"] = self.reference
            identification["secondary_datetime"] = self.secondary
        return path


def place(file, shape, left, top, epsg):
    """Coordinates of pixel centres and the grid mapping."""
    file["x"] = left + 30 * (np.arange(shape[1]) + 0.5)
    file["y"] = top - 30 * (np.arange(shape[0]) + 0.5)
    file["spatial_ref"] = 0
    file["spatial_ref"].attrs["crs_wkt"] = CRS.from_epsg(epsg).to_wkt()


def layer(group, name, values, fill, units):
    """A compressed dataset with its fill value."""
    chunks = tuple(min(16, size) for size in values.shape)
    made = group.create_dataset(name, data=values, chunks=chunks, compression="gzip", shuffle=True)
    made.attrs["_FillValue"], made.attrs["units"] = fill, units
