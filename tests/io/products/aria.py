"""Fake ARIA S1-GUNW products: groups, names, signs, fill values and cubes of the real ones, versions 2 and 3.

Groups, names, units and no-data values: ACCESS-Cloud-Based-InSAR/DockerizedTopsApp,
isce2_topsapp/templates/nc_packaging_template.json (its crs has the attributes of a grid mapping and no crs_wkt, which is
WGS 84 for the reader). Ionosphere: isce2_topsapp/packaging_utils/additional_layers.json and ionosphere.py of the same. Tides:
isce2_topsapp/solid_earth_tides.py. Troposphere: dbekaert/RAiDER, tools/RAiDER/aria/calcGUNW.py.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from pyproj import CRS, Transformer

from tests.io.products.opera_disp import layer

WAVELENGTH = 0.05546576
SHAPE = (24, 30)
STEP = 0.000833334
WEST, NORTH = 12.0, 36.5  # edges of the first pixel
HEIGHTS = np.array([-1500.0, 0.0, 3000.0, 9000.0])
SATELLITE_HEIGHT = 700_000.0
_TO_SPACE = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


def geometry(longitude, latitude, height, satellite_longitude, heading=-10.0):
    """Incidence and look angle, direction to the satellite (degrees) and distance (m) of points; arrays broadcast.

    The satellite passes abeam of every point on a meridian's line that leans by the heading: it is to the west, and
    the points are on its right.
    """
    point = np.stack(np.broadcast_arrays(*_TO_SPACE.transform(*np.broadcast_arrays(longitude, latitude, height))), -1)
    offset = np.tan(np.radians(heading)) * np.cos(np.radians(latitude)) * (longitude - satellite_longitude)
    place = np.broadcast_arrays(satellite_longitude + 0 * longitude, latitude + offset, SATELLITE_HEIGHT + 0 * height)
    satellite = np.stack(_TO_SPACE.transform(*place), -1)
    sight = satellite - point
    distance = np.linalg.norm(sight, axis=-1)
    sight /= distance[..., None]
    east, north, up = axes(*np.broadcast_arrays(longitude, latitude))
    _, _, satellite_up = axes(place[0], place[1])
    e, n, u = (np.sum(sight * axis, -1) for axis in (east, north, up))
    look = np.arccos(np.sum(sight * satellite_up, -1))
    return np.degrees(np.arccos(u)), np.degrees(look), np.degrees(np.arctan2(n, e)), distance


def axes(longitude, latitude):
    """East, north and up at points, unit vectors in space."""
    lon, lat = np.radians(longitude), np.radians(latitude)
    east = np.stack([-np.sin(lon), np.cos(lon), 0 * lon], -1)
    up = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    return east, np.cross(up, east), up


@dataclass(frozen=True)
class AriaProduct:
    """One product: phase (rad) of the newer date minus the older one, away from the satellite; dates ``YYYYMMDD``."""

    newer: str
    older: str
    phase: np.ndarray
    baseline: float = 0.0
    version: str = "v2_0_4"
    time: str = "140722"
    place: str = "39616N_37642N"
    track: str = "042"
    wavelength: float = WAVELENGTH
    epsg: int = 4326
    rows_down: int = 0
    cols_right: int = 0
    older_first: bool = False
    ranges: tuple[float, float, float, float] | None = None
    """Range (m) that ionosphere, wet and hydrostatic troposphere and tide add at the newer date more than at the older one."""
    models: tuple[str, ...] = ("HRRR",)

    @property
    def name(self) -> str:
        """Of the file."""
        dates = (self.older, self.newer) if self.older_first else (self.newer, self.older)
        return f"S1-GUNW-A-R-{self.track}-tops-{dates[0]}_{dates[1]}-{self.time}-{self.place}-PP-e396-{self.version}.nc"

    @property
    def west(self) -> float:
        """Edge of the first pixel."""
        return WEST + self.cols_right * STEP

    @property
    def north(self) -> float:
        """Edge of the first pixel."""
        return NORTH - self.rows_down * STEP

    def write(self, folder: Path) -> Path:
        """Write the file."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.name
        # ISCE2: reference times conjugate of secondary, which is R_secondary - R_reference
        stored = self.phase if self.older_first else -self.phase
        with h5py.File(path, "w") as file:
            data = file.create_group("science/grids/data")
            self._place(data)
            known = np.isfinite(self.phase)
            layer(data, "unwrappedPhase", np.where(known, stored, 0).astype(np.float32), np.float32(0), "rad")
            layer(data, "coherence", np.where(known, 0.7, 0).astype(np.float32), np.float32(0), "unitless")
            labels = np.where(known, 2, -1).astype(np.float32)
            labels[0, 0] = 0
            layer(data, "connectedComponents", labels, np.float32(-1), "unitless")
            layer(data, "amplitude", np.where(known, 1, 0).astype(np.float32), np.float32(0), "watt")
            self._cubes(file.create_group("science/grids/imagingGeometry"))
            if self.ranges is not None:
                self._corrections(file)
            radar = file.create_group("science/radarMetaData")
            radar["wavelength"] = np.float32(self.wavelength) if self.version.startswith("v2") else self.wavelength
        return path

    def _corrections(self, file: h5py.File) -> None:
        """What is added to the phase of each image, -4 pi / wavelength times range; the older date has 2 m of each."""
        per_metre = -4 * np.pi / self.wavelength
        newer, older = np.array(self.ranges) + 2.0, 2.0 + np.zeros(4)
        reference, secondary = (older, newer) if self.older_first else (newer, older)
        ionosphere = file.create_group("science/grids/corrections/derived/ionosphere")
        longitudes, latitudes = WEST + 0.01 * np.arange(-1, 6), NORTH - 0.01 * np.arange(-1, 6)
        ionosphere["longitude"], ionosphere["latitude"] = longitudes, latitudes
        slope = 1 + (longitudes - WEST) + 0 * latitudes[:, None]
        screen = per_metre * (reference - secondary)[0] * slope
        layer(ionosphere, "ionosphere", screen.astype(np.float32), np.float32(np.nan), "rad")
        tropo, tides = "science/grids/corrections/external/troposphere", "science/grids/corrections/external/tides"
        meta = ("heightsMeta", "latitudeMeta", "longitudeMeta")
        for image, ranges in (("reference", reference), ("secondary", secondary)):
            for k, model in enumerate(self.models):
                group = file.create_group(f"{tropo}/{model}/{image}")
                for name, size in zip(("troposphereWet", "troposphereHydrostatic"), ranges[1:3], strict=True):
                    self._cube(group, name, per_metre * (size + k), meta)
            # toward the satellite times 4 pi / wavelength
            group = file.create_group(f"{tides}/solidEarth/{image}")
            self._cube(group, "solidEarthTide", per_metre * ranges[3], ("height", "latitude", "longitude"))

    @staticmethod
    def _cube(group: h5py.Group, name: str, value: float, axes: tuple[str, str, str]) -> None:
        latitudes, longitudes = NORTH + 0.2 - 0.1 * np.arange(6), WEST - 0.2 + 0.1 * np.arange(7)
        for axis, values in zip(axes, (HEIGHTS, latitudes, longitudes), strict=True):
            if axis not in group:
                group[axis] = values
        cube = value * (1 - HEIGHTS[:, None, None] / 20_000 + np.zeros((1, 6, 7)))
        made = group.create_dataset(name, data=cube.astype(np.float32), compression="gzip")
        made.attrs["_FillValue"], made.attrs["units"] = np.float32(0), "radians"

    def _place(self, data: h5py.Group) -> None:
        rows, cols = self.phase.shape
        data["latitude"] = self.north - STEP * (np.arange(rows) + 0.5)
        data["longitude"] = self.west + STEP * (np.arange(cols) + 0.5)
        data["crs"] = 0
        data["crs"].attrs["crs_wkt"] = CRS.from_epsg(self.epsg).to_wkt()

    def _cubes(self, group: h5py.Group) -> None:
        """Latitudes from north to south; a corner that was not computed has -9999."""
        latitudes, longitudes = NORTH + 0.2 - 0.1 * np.arange(6), WEST - 0.2 + 0.1 * np.arange(7)
        group["heightsMeta"], group["latitudeMeta"], group["longitudeMeta"] = HEIGHTS, latitudes, longitudes
        nodes = np.broadcast_arrays(longitudes, latitudes[:, None], HEIGHTS[:, None, None])
        incidence, look, direction, _ = geometry(*nodes, WEST - 5.0)
        slope = 1e-3 * (nodes[1] - NORTH) + 1e-6 * nodes[2]
        cubes = {
            "incidenceAngle": incidence,
            "lookAngle": look,
            "azimuthAngle": direction,
            # a formula with the sign of ((target - reference) x (secondary - reference)) . velocity
            "perpendicularBaseline": self.baseline * (1 + slope),
            "parallelBaseline": 0.3 * self.baseline * (1 + slope),
        }
        for name, cube in cubes.items():
            cube[:, 0, 0] = -9999
            layer3 = group.create_dataset(name, data=cube.astype(np.float32), compression="gzip")
            layer3.attrs["_FillValue"] = np.float32(0)
