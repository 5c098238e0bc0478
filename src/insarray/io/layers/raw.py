"""Raw pixel files of ROI_PAC, GAMMA and LiCSBAS, described by text files of these programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from insarray.io.sidecars import number, read_keys
from insarray.model.errors import FileError

SUFFIXES = {".unw", ".cor", ".cc", ".conncomp"}
_TWO_BANDS = {".unw", ".cor"}  # ROI_PAC interleaves amplitude with phase or correlation by line
_REMEDY = (
    "raw pixels need a header beside them: .hdr (ENVI), .rsc (ROI_PAC), or .dem_par or .off (GAMMA, LiCSBAS) in the "
    "folder or above; or make a GeoTIFF of them with gdal_translate"
)
_PLAUSIBLE = (1e-7, 1e5)  # plausible radians or coherence, unlike values in the wrong byte order
_LOOKED = 100_000  # pixels from the middle of a file that are examined


@dataclass(frozen=True)
class Raw:
    """Raw pixel file, the text file that describes it, and a VRT by which GDAL reads it."""

    path: Path
    header: Path
    vrt: str


def has_envi_header(path: Path) -> bool:
    """Return whether a file has an ENVI header."""
    return any(header.is_file() for header in (path.with_suffix(".hdr"), path.with_name(f"{path.name}.hdr")))


def described(path: Path) -> Raw | None:
    """Return the raw file described by a text file; None if there is none.

    Raises
    ------
    FileError
        If the file does not have the expected size, or the text is damaged.
    """
    roipac = path.with_name(f"{path.name}.rsc")
    if roipac.is_file():
        return _of_roipac(path, roipac)
    of_gamma = list(_gamma_headers(path))
    for header in of_gamma:
        found = _of_gamma(path, header)
        if found is not None:
            return found
    if of_gamma:
        raise FileError(
            f"{path}: has {path.stat().st_size} bytes, which is not what {of_gamma[0]} says of its pixels; it is truncated, "
            "or give its own header"
        )
    return None


def require_described(path: Path) -> Raw:
    """Return the raw file described by a text file; raise FileError if there is none."""
    found = described(path)
    if found is None:
        raise FileError(f"{path}: {_REMEDY}")
    return found


# -- ROI_PAC --------------------------------------------------------------------------------------------------------


def _of_roipac(path: Path, header: Path) -> Raw:
    """Parse a ROI_PAC .rsc of keys and values; the corner is that of the first pixel, in degrees or metres."""
    keys = read_keys(header, r"\s+")
    width, length = _size(header, keys, "WIDTH", "FILE_LENGTH")
    bands = 2 if path.suffix.lower() in _TWO_BANDS else 1
    item = 1 if path.suffix.lower() == ".conncomp" else 4
    _require_size(path, header, width * length * bands * item)
    place = [number(header, keys, name) for name in ("X_FIRST", "X_STEP", "Y_FIRST", "Y_STEP")]
    crs = "EPSG:4326"
    if keys.get("X_UNIT", "degrees").lower().startswith("m"):
        raise FileError(f"{header}: has its corner in metres and no CRS; make a GeoTIFF with gdal_translate -a_srs")
    offset = (bands - 1) * width * item
    return Raw(path, header, _vrt(path, width, length, place, crs, item, offset, bands * width * item, "LSB"))


# -- GAMMA and LiCSBAS ----------------------------------------------------------------------------------------------


def _gamma_headers(path: Path) -> Iterator[Path]:
    """Yield possible headers of a file: of the geocoded grid, in its folder or the parent, or of the interferogram."""
    for folder in (path.parent, path.parent.parent):
        listed = sorted(found for found in folder.glob("*dem*par") if not found.name.startswith("."))
        yield from (found for found in listed if found.is_file())
    off = path.with_suffix(".off")
    if off.is_file():
        yield off


def _of_gamma(path: Path, header: Path) -> Raw | None:
    """Return the raw file for a .dem_par or .off if the sizes match: floats, or bytes of coherence or labels."""
    keys = read_keys(header, ":")
    names = ("interferogram_width", "interferogram_azimuth_lines") if header.suffix == ".off" else ("width", "nlines")
    width, length = _size(header, keys, *names)
    item, left = divmod(path.stat().st_size, width * length)
    if left or item not in (1, 4):
        return None
    place, crs = _gamma_place(header, keys)
    order = _byte_order(path) if item == 4 else "LSB"
    return Raw(path, header, _vrt(path, width, length, place, crs, item, 0, width * item, order))


def _gamma_place(header: Path, keys: dict[str, str]) -> tuple[list[float | None], str | None]:
    """Return corner and step of the first pixel, from GAMMA's pixel centre; None for radar coordinates."""
    if "corner_lat" in keys:
        values = [number(header, keys, name) for name in ("corner_lon", "post_lon", "corner_lat", "post_lat")]
        crs: str | None = "EPSG:4326"
    elif "corner_north" in keys:
        values = [number(header, keys, name) for name in ("corner_east", "post_east", "corner_north", "post_north")]
        zone, false_north = number(header, keys, "projection_zone"), number(header, keys, "false_northing")
        if not keys.get("DEM_projection", "").upper().startswith("UTM") or zone is None:
            raise FileError(f"{header}: is in a projection other than UTM; make a GeoTIFF with GAMMA's data2geotiff")
        crs = f"EPSG:{(32700 if false_north else 32600) + int(zone)}"
    else:
        return [None] * 4, None
    left, dx, top, dy = values
    if left is None or dx is None or top is None or dy is None:
        raise FileError(f"{header}: lacks the corner or the spacing of its pixels; make it again")
    return [left - dx / 2, dx, top - dy / 2, dy], crs


def _byte_order(path: Path) -> str:
    """Return the byte order in which the floats are plausible: GAMMA writes big-endian, LiCSBAS little-endian."""
    size = path.stat().st_size // 4
    first = max(0, size // 2 - _LOOKED // 2)
    stored = np.fromfile(path, ">f4", min(_LOOKED, size), offset=4 * first)
    known = stored[stored.view(">u4") != 0]
    return "MSB" if _plausible(known) >= _plausible(known.view("<f4")) else "LSB"


def _plausible(values: np.ndarray) -> int:
    with np.errstate(invalid="ignore"):
        size = np.abs(values.astype(np.float64))
        return int(((size > _PLAUSIBLE[0]) & (size < _PLAUSIBLE[1]) | np.isnan(size)).sum())


# -- header for GDAL ------------------------------------------------------------------------------------------------


def _size(header: Path, keys: dict[str, str], across: str, down: str) -> tuple[int, int]:
    width, length = number(header, keys, across), number(header, keys, down)
    if width is None or length is None or min(width, length) < 1:
        raise FileError(f"{header}: has no {across} and {down} of its pixels; make it again")
    return int(width), int(length)


def _require_size(path: Path, header: Path, expected: int) -> None:
    found = path.stat().st_size
    if found < expected:
        raise FileError(
            f"{path}: has {found} of the {expected} bytes that {header.name} says, it is truncated; replace it"
        )
    if found > expected:
        raise FileError(f"{path}: has {found} bytes, but {header.name} says {expected}; give its own header")


def _vrt(
    path: Path,
    width: int,
    length: int,
    place: list[float | None],
    crs: str | None,
    item: int,
    offset: int,
    line: int,
    order: str,
) -> str:
    where = ""
    if all(value is not None for value in place):
        left, dx, top, dy = place
        where = f"<SRS>{crs}</SRS><GeoTransform>{left!r},{dx!r},0,{top!r},0,{dy!r}</GeoTransform>"
    return (
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{length}">{where}'
        f'<VRTRasterBand dataType="{"Float32" if item == 4 else "Byte"}" band="1" subClass="VRTRawRasterBand">'
        f'<NoDataValue>0</NoDataValue><SourceFilename relativeToVRT="0">{escape(str(path))}</SourceFilename>'
        f"<ImageOffset>{offset}</ImageOffset><PixelOffset>{item}</PixelOffset><LineOffset>{line}</LineOffset>"
        f"<ByteOrder>{order}</ByteOrder></VRTRasterBand></VRTDataset>"
    )
