"""IONEX: global maps of the vertical electron content, as the analysis centres of IGS write them."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from insarray.io.files import expand
from insarray.io.source import Files
from insarray.model.dates import date_label
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.numbers import plain_number, plain_whole

_HOURS = 2.6  # between two maps between which is interpolated
_MISSING = 9999
_MOST_NODES = 10_000  # along an axis
_LARGEST = 50_000_000  # bytes: a day of maps has 1 million


@dataclass(frozen=True, eq=False)
class ElectronMaps:
    """Maps of the vertical electron content.

    Parameters
    ----------
    times
        UTC, ascending, ``datetime64[s]``.
    lat, lon
        Of the nodes, ascending, degrees.
    content
        TECU, (time, lat, lon).
    radius, height
        Of the Earth and of the shell, km.
    paths
        Files that they are of.
    """

    times: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    content: np.ndarray
    radius: float
    height: float
    paths: tuple[str, ...]


def read_ionex(files: Files) -> ElectronMaps:
    """Maps of one or more files, by time; a time that two files have is taken from the later one.

    Schaer, S., Gurtner, W. and Feltens, J. (1998), IONEX: The IONosphere Map EXchange format version 1.

    Raises
    ------
    ArgumentError, FileError
        If there is none, or one cannot be read.
    StackError
        If their grids differ.
    """
    parts = [_read(path) for path in expand(files, "ionosphere")]
    first = parts[0]
    for part in parts[1:]:
        same = part.content.shape[1:] == first.content.shape[1:] and (part.height, part.radius) == (
            first.height,
            first.radius,
        )
        if not same or not (np.allclose(part.lat, first.lat) and np.allclose(part.lon, first.lon)):
            raise StackError(
                f"ionosphere: {part.paths[0]} has another grid than {first.paths[0]}; give files of one kind"
            )
    maps = {time: plane for part in parts for time, plane in zip(part.times, part.content, strict=True)}
    times = np.array(sorted(maps))
    paths = tuple(path for part in parts for path in part.paths)
    content = np.stack([maps[time] for time in times])
    return ElectronMaps(times, first.lat, first.lon, content, first.radius, first.height, paths)


def maps_at(maps: ElectronMaps, moment: np.datetime64) -> tuple[tuple[float, float, int], ...]:
    """Weight, shift of the longitude in degrees and number of the maps that count at a time.

    Between two maps each is turned with the Sun, which the ionosphere follows, by 15 degrees an hour (Schaer et al.,
    equation 3).

    Raises
    ------
    ArgumentError
        If there is none before or after it.
    """
    hours = (maps.times - moment) / np.timedelta64(1, "h")
    after = int(np.searchsorted(hours, 0.0))
    if after < len(hours) and hours[after] == 0:
        return ((1.0, 0.0, after),)
    if not 0 < after < len(hours) or hours[after] - hours[after - 1] > _HOURS:
        ends = f"{date_label(maps.times[0])} to {date_label(maps.times[-1])}"
        raise ArgumentError(
            f"files: no maps before and after {date_label(moment)}; they are of {ends}: add the file of that day"
        )
    place = float(-hours[after - 1] / (hours[after] - hours[after - 1]))
    return (1 - place, -15 * float(hours[after - 1]), after - 1), (place, -15 * float(hours[after]), after)


def _read(path: Path) -> ElectronMaps:
    header, body = _split(path, _lines(path))
    try:
        exponent = plain_whole(header.get("EXPONENT", "-1").split()[0])
        radius = plain_number(header["BASE RADIUS"].split()[0])
        low, high, _ = (plain_number(part) for part in header["HGT1 / HGT2 / DHGT"].split())
        lat, lon = (_axis(header[f"{name}1 / {name}2 / D{name}"]) for name in ("LAT", "LON"))
    except ValueError as error:
        raise FileError(
            f"{path}: its header has no numbers where they should be ({error}); download it again"
        ) from error
    if not (-9 <= exponent <= 9 and 6000 < radius < 7000 and 0 < low < 10_000):
        raise FileError(
            f"{path}: its header says 10^{exponent} TECU on a shell {low:g} km above {radius:g} km, which is no "
            "ionosphere of the earth; download it again"
        )
    if low != high:
        raise FileError(f"{path}: has maps on several heights ({low:g} to {high:g} km); a thin shell is needed")
    maps = _maps(path, body, len(lat), len(lon))
    if not maps:
        raise FileError(f"{path}: has no TEC map; download it again")
    times = np.array(sorted(maps))
    raw = np.stack([maps[time] for time in times]).astype(np.float64)
    content = np.where(raw == _MISSING, np.nan, raw * 10.0**exponent)
    rows, cols = np.argsort(lat), np.argsort(lon)
    return ElectronMaps(times, lat[rows], lon[cols], content[:, rows][:, :, cols], radius, low, (str(path),))


def _lines(path: Path) -> list[str]:
    if path.is_dir():
        raise FileError(f"{path}: is a folder; give its files, such as {path}/*")
    if path.suffix == ".Z":
        raise FileError(f"{path}: is compressed by compress; unpack it: gzip -d {path.name}")
    try:
        if path.stat().st_size > _LARGEST:
            raise FileError(f"{path}: has {path.stat().st_size} bytes, too many for an IONEX file")
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as file:
                content = file.read(_LARGEST + 1)
            if len(content) > _LARGEST:
                raise FileError(f"{path}: unpacks to more than {_LARGEST} bytes, too many for an IONEX file")
        else:
            content = path.read_bytes()
        text = content.decode("ascii", "replace")
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path}: cannot be read ({error}); download it again") from error
    if "IONEX VERSION / TYPE" not in text[:200]:
        raise FileError(f"{path}: does not start like an IONEX file; give IONEX files")
    return text.splitlines()


def _split(path: Path, lines: list[str]) -> tuple[dict[str, str], list[str]]:
    """Values of the header by their labels, which are in columns 61 to 80, and the lines behind it."""
    header: dict[str, str] = {}
    labels = [line[60:].strip() for line in lines]
    if "END OF HEADER" not in labels:
        raise FileError(f"{path}: has no END OF HEADER; download it again")
    end = labels.index("END OF HEADER")
    for label, line in zip(labels[:end], lines[:end], strict=True):
        header.setdefault(label, line[:60])
    for label in ("BASE RADIUS", "HGT1 / HGT2 / DHGT", "LAT1 / LAT2 / DLAT", "LON1 / LON2 / DLON"):
        if label not in header:
            raise FileError(f"{path}: its header has no {label!r}; download it again")
    return header, lines[end + 1 :]


def _axis(text: str) -> np.ndarray:
    first, last, step = map(plain_number, text.split())
    if step == 0 or not 1 <= (last - first) / step <= _MOST_NODES:
        raise ValueError(f"an axis from {first:g} to {last:g} by {step:g}")
    return first + step * np.arange(round((last - first) / step) + 1)


def _maps(path: Path, body: list[str], rows: int, cols: int) -> dict[np.datetime64, np.ndarray]:
    """TEC maps, not those of height or error, by time."""
    found: dict[np.datetime64, np.ndarray] = {}
    numbers: list[int] = []
    inside, time = False, None
    for line in body:
        label = line[60:].strip()
        if label == "START OF TEC MAP":
            inside, numbers, time = True, [], None
        elif inside and label == "EPOCH OF CURRENT MAP":
            time = _epoch(path, line)
        elif inside and label == "END OF TEC MAP":
            if time is None or len(numbers) != rows * cols:
                raise FileError(
                    f"{path}: a map has {len(numbers)} values, {rows} x {cols} are {rows * cols}; download it again"
                )
            found[time] = np.array(numbers).reshape(rows, cols)
            inside = False
        elif inside and label != "LAT/LON1/LON2/DLON/H":
            numbers += _numbers(path, line)
    return found


def _epoch(path: Path, line: str) -> np.datetime64:
    try:
        year, month, day, hour, minute, second = map(plain_whole, line[:60].split())
        start = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "s")
    except ValueError as error:
        raise FileError(f"{path}: {line[:60].strip()!r} is not a time of a map; download it again") from error
    return start + np.timedelta64(3600 * hour + 60 * minute + second, "s")


def _numbers(path: Path, line: str) -> list[int]:
    """Values of a line of 16I5."""
    try:
        return [plain_whole(line[k : k + 5]) for k in range(0, len(line.rstrip()), 5)]
    except ValueError as error:
        raise FileError(f"{path}: {line[:40].strip()!r} are not values of a map; download it again") from error
