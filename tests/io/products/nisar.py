"""Fake NISAR L2 GUNW products: groups, names, signs, fill values, mask and cubes of the real ones.

Names of the grids and of the phase screens: isce-framework/isce3, python/packages/nisar/products/insar/GUNW_writer.py. Names
of the cubes: the same, InSAR_L2_writer.py (add_radar_grid_cubes), and RADARGRID_ROOT of MintPy's prep_nisar.py, which reads
referenceSlantRange. Names of the identification group: InSAR_base_writer.py.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tests.io.products.opera_disp import layer

SPEED_OF_LIGHT = 299_792_458.0
FREQUENCY = 1_239_000_000.0
WAVELENGTH = SPEED_OF_LIGHT / FREQUENCY
SHAPE = (24, 30)
STEP = 80.0
LEFT, TOP = 600_000.0, 2_150_000.0
HEIGHTS = np.linspace(-500.0, 9000.0, 20)


def sight(x, y, height):
    """East and north of the unit vector to the satellite, and the distance (m); the satellite is far in the east."""
    offset = LEFT + 600_000.0 - x, 40_000.0 + 0 * y, 747_000.0 - height
    distance = np.sqrt(sum(part**2 for part in offset))
    return offset[0] / distance, offset[1] / distance, distance


@dataclass(frozen=True)
class NisarProduct:
    """One product: phase (rad) of the secondary minus the reference date, away from the satellite."""

    reference: str
    secondary: str
    phase: np.ndarray
    baseline: float = 0.0
    layers: tuple[str, ...] = ("frequencyA/HH",)
    frequency: float = FREQUENCY
    epsg: int = 32614
    look: str | None = "Left"
    frame: str = "012"
    orbit: str = "030"
    release: str = "P05006"
    counter: str = "001"
    cols_right: int = 0
    mask_type: type = np.uint8
    has_mask: bool = True
    full_baselines: bool = False
    slant_range: str = "referenceSlantRange"
    screens: tuple[float, float, float, float] | None = None
    """Range (m) that ionosphere, wet and hydrostatic troposphere and tide add at the secondary date more than at the reference."""

    @property
    def name(self) -> str:
        """Of the file."""
        times = [time.replace("-", "").replace(":", "") for time in (self.reference, self.secondary)]
        ends = "_".join(f"{time}_{time}" for time in times)
        return f"NISAR_L2_PR_GUNW_001_{self.orbit}_A_{self.frame}_002_2000_SH_{ends}_{self.release}_N_F_J_{self.counter}.h5"

    @property
    def mask(self) -> np.ndarray:
        """Subswaths 1 and 2, none of the reference at [1, 1], none of the secondary at [1, 2], water at [1, 3]."""
        mask = np.full(self.phase.shape, 12, self.mask_type)
        mask[1, 1:4] = 2, 10, 112
        mask[0, 0] = np.iinfo(self.mask_type).max
        if self.mask_type is not np.uint8:
            mask[5, 5] += 7 << 8  # anomalies of the secondary image; the last digits of the whole number are 0 and 4
        return mask

    def write(self, folder: Path) -> Path:
        """Write the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.name
        with h5py.File(path, "w") as file:
            identification = file.create_group("science/LSAR/identification")
            identification["referenceZeroDopplerStartTime"] = np.bytes_(self.reference + ".123456789")
            identification["secondaryZeroDopplerStartTime"] = np.bytes_(self.secondary + ".987654321")
            if self.look is not None:
                identification["lookDirection"] = np.bytes_(self.look)
            for k, name in enumerate(self.layers):
                self._layer(file, name, self.phase + k)
            self._radar_grid(file.create_group("science/LSAR/GUNW/metadata/radarGrid"))
        return path

    def _layer(self, file: h5py.File, name: str, phase: np.ndarray) -> None:
        frequency, polarisation = name.split("/")
        above = file.require_group(f"science/LSAR/GUNW/grids/{frequency}")
        hertz = self.frequency if frequency == "frequencyA" else self.frequency + 37.5e6
        if "centerFrequency" not in above:
            above["centerFrequency"] = hertz
        unwrapped = above.require_group("unwrappedInterferogram")
        group = unwrapped.create_group(polarisation)
        rows, cols = phase.shape
        group["xCoordinates"] = LEFT + STEP * (np.arange(cols) + 0.5 + self.cols_right)
        group["yCoordinates"] = TOP - STEP * (np.arange(rows) + 0.5)
        group["projection"] = np.uint32(self.epsg)
        group["projection"].attrs["epsg_code"] = self.epsg
        layer(group, "unwrappedPhase", phase.astype(np.float32), np.float32(np.nan), "radians")
        if self.screens is not None:  # GUNW_writer.py; added to the phase, which is left as it is
            screen = 4 * np.pi * hertz / SPEED_OF_LIGHT * self.screens[0]
            layer(
                group, "ionospherePhaseScreen", np.full(phase.shape, screen, np.float32), np.float32(np.nan), "radians"
            )
        known = np.isfinite(phase)
        layer(group, "coherenceMagnitude", np.where(known, 0.7, np.nan).astype(np.float32), np.float32(np.nan), "1")
        layer(group, "connectedComponents", np.where(known, 2, 65535).astype(np.uint16), np.uint16(65535), "1")
        if self.has_mask and "mask" not in unwrapped:
            layer(unwrapped, "mask", self.mask, self.mask_type(np.iinfo(self.mask_type).max), "1")

    def _radar_grid(self, group: h5py.Group) -> None:
        """Cubes; baselines for the lowest and the highest level only, as in most products."""
        x, y = LEFT - 1000 + 500.0 * np.arange(12), TOP + 1000 - 500.0 * np.arange(11)
        group["xCoordinates"], group["yCoordinates"], group["heightAboveEllipsoid"] = x, y, HEIGHTS
        group["projection"] = np.uint32(self.epsg)
        group["projection"].attrs["epsg_code"] = self.epsg
        nodes = np.broadcast_arrays(x, y[:, None], HEIGHTS[:, None, None])
        east, north, distance = sight(*nodes)
        up = np.sqrt(1 - east**2 - north**2)
        cubes = {
            "losUnitVectorX": east,
            "losUnitVectorY": north,
            "incidenceAngle": np.degrees(np.arccos(up)),
            self.slant_range: distance,  # slantRange in products of before ISCE3 split it into reference and secondary
            # a formula with the sign of ((target - reference) x (secondary - reference)) . velocity
            "perpendicularBaseline": self.baseline * (1 + 1e-5 * nodes[2]),
        }
        if (
            self.screens is not None
        ):  # troposphere.py: -(reference - secondary delay); solid_earth_tides.py: -(reference -
            per_metre = 4 * np.pi / WAVELENGTH  # secondary tide), toward the satellite, which is less range
            _, wet, hydrostatic, tide = self.screens
            cubes["wetTroposphericPhaseScreen"] = per_metre * wet * (1 - nodes[2] / 20_000)
            cubes["hydrostaticTroposphericPhaseScreen"] = per_metre * hydrostatic * (1 - nodes[2] / 20_000)
            cubes["slantRangeSolidEarthTidesPhase"] = per_metre * -tide * (1 + 0 * nodes[2])
        if not self.full_baselines:
            cubes["perpendicularBaseline"] = cubes["perpendicularBaseline"][[0, -1]]
        for name, cube in cubes.items():
            dtype = np.float64 if name == self.slant_range else np.float32
            made = group.create_dataset(name, data=cube.astype(dtype), compression="gzip")
            made.attrs["_FillValue"] = dtype(np.nan)
