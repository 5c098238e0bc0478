"""`open_gnss`: daily positions, or velocities, of stations as one dataset."""

import logging
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import xarray as xr

from insarray.io.files import below, expand, require_plausible
from insarray.io.gnss.centres import (
    PANGA,
    Part,
    Step,
    is_epn,
    is_steps,
    read_epn,
    read_part,
    read_steps,
    stations_of,
)
from insarray.io.gnss.formats import FORMATS
from insarray.io.gnss.station import Station, Velocity, wrapped
from insarray.io.gnss.tables import is_midas, read_csv, read_midas
from insarray.io.source import Files
from insarray.model.conventions import COMPONENTS
from insarray.model.errors import ArgumentError, FileError

logger = logging.getLogger(__name__)

_SUFFIXES = {".tenv3", ".txyz2", ".tenv8", ".pos", ".csv", ".ssc", *PANGA}
_FARTHEST = 2e7  # metres: half of the way around the earth
_LARGEST = 200_000_000  # bytes of a file: a station has a few hundred thousand
_PAIRS = ("east_north", "east_up", "north_up")

Places = Mapping[str, Sequence[float]]


def open_gnss(
    path: Files,
    *,
    stations: Sequence[str] | None = None,
    start: str | None = None,
    end: str | None = None,
    places: Places | None = None,
) -> xr.Dataset:
    r"""Daily positions of GNSS stations, or their velocities, from the files of several centres.

    Parameters
    ----------
    path
        Files, a pattern, a folder or a ``.zip`` of them: ``.tenv3``, ``.txyz2`` and ``.tenv8`` of the Nevada Geodetic
        Laboratory, ``.pos`` and ``.csv`` of the Plate Boundary Observatory, other tables ``.csv`` with the columns
        ``station``, ``date``, ``longitude``, ``latitude``, ``east``, ``north``, ``up`` (m; ``east_mm`` for another unit),
        perhaps ``east_std``, ``correlation_east_north``, ...; or a velocity file of MIDAS, or such a table with
        ``velocity_east``, ``velocity_north``, perhaps ``velocity_up`` (m/year); or ``steps.txt`` of Nevada.
    stations
        Only these.
    start, end
        Only days from and up to these dates.
    places
        Longitude and latitude, perhaps height, by the name of a station, where files do not say: ``.tenv8``, PANGA
        and older ``.tenv3``.

    Returns
    -------
    xarray.Dataset
        (station, time) `east`, `north`, `up` in m relative to the first day of each station, each with `_std`, and
        `correlation_east_north`, ...; NaN where there is no solution. Or (station) `velocity_east`, ... in m/year.
        Or (step) the days on which stations may have offsets: coordinates `time`, `station`, `kind` ("equipment" or
        "earthquake") and `event`, with `distance` in km and `magnitude` of earthquakes; their `time` can be the ``steps`` of
        `insarray.fit` and `insarray.midas`.
        Coordinates `longitude` (-180 to 180), `latitude` in degrees, `height` in m.

    Raises
    ------
    ArgumentError
        If there is no such file, or no such station.
    FileError
        If a file is damaged, of no known format, or says not where its station is.

    See Also
    --------
    insarray.compare_gnss : series against stations.
    insarray.tie_to_gnss : velocities or series in the frame of stations.
    insarray.decompose : east, north and up of several tracks.

    References
    ----------
    * Blewitt, G., Hammond, W. C. and Kreemer, C. (2018), Harnessing the GPS data explosion for interdisciplinary science,
      Eos 99.

    Examples
    --------
    >>> import insarray as ia
    >>> with open("a.csv", "w") as file:
    ...     _ = file.write("station,date,longitude,latitude,east_mm,north_mm,up_mm\n"
    ...                    "HILL,2020-01-01,204.7,19.4,0,0,0\nHILL,2020-01-02,204.7,19.4,1,2,-3\n")
    >>> gnss = ia.open_gnss("a.csv")
    >>> dict(gnss.sizes), round(float(gnss.longitude[0]), 1), round(float(gnss.up[0, 1]), 4)
    ({'station': 1, 'time': 2}, -155.3, -0.003)
    """
    found: list[Station] = []
    velocities: list[Velocity] = []
    parts: list[Part] = []
    steps: list[Step] = []
    kinds = {Station: found, Velocity: velocities, Part: parts, Step: steps}
    for name, lines in _texts(path):
        for one in _read(name, lines):
            if isinstance(one, Station | Velocity):
                _require_plausible(name, one)
            kinds[type(one)].append(one)  # type: ignore[attr-defined]
    found += stations_of(parts)
    if sum(map(bool, (found, velocities, steps))) > 1:
        raise FileError(f"{path}: holds positions, velocities or steps together; open one after the other")
    if steps:
        return _of_steps(steps, stations, start, end)
    if not found and not velocities:
        raise ArgumentError(f"path: {path} holds no file of stations ({', '.join(sorted(_SUFFIXES))}, MIDAS, steps)")
    every: list[Station] | list[Velocity] = found or velocities
    wanted = _chosen([one.name for one in every], stations)
    dataset = _of_velocities(velocities, wanted) if velocities else _of_positions(found, wanted, start, end)
    dataset = _placed(dataset, [every[k] for k in wanted], places)
    logger.info("open_gnss: %d stations%s", len(wanted), "" if velocities else f", {dataset.sizes['time']} days")
    return dataset


# -- files ----------------------------------------------------------------------------------------------------------


def _texts(path: Files) -> Iterator[tuple[str, list[str]]]:
    """Name and lines of every file that may hold stations."""
    for given in expand(path, "path"):
        if given.is_dir():
            for file in sorted(below(given)):
                if file.suffix.lower() in _SUFFIXES and file.is_file():
                    yield str(file), _lines(_content(file), str(file))
        elif given.suffix.lower() == ".zip":
            yield from _members(given)
        else:
            yield str(given), _lines(_content(given), str(given))


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise FileError(f"{path}: has more than {_LARGEST / 1e6:.0f} MB, which no file of stations has")
    return content


def _members(path: Path) -> Iterator[tuple[str, list[str]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.infolist(), key=lambda one: one.filename):
                if member.is_dir() or PurePosixPath(member.filename).suffix.lower() not in _SUFFIXES:
                    continue
                require_plausible(path, member, _LARGEST)
                name = f"{path}: {member.filename}"
                yield name, _lines(archive.read(member), name)
    except (zipfile.BadZipFile, OSError, RuntimeError, zlib.error) as error:  # RuntimeError: it has a password
        raise FileError(f"{path}: cannot be unpacked ({error}); download it again") from error


def _lines(content: bytes, name: str) -> list[str]:
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise FileError(f"{name}: is not text; give a file of stations") from error


def _require_plausible(name: str, one: Station | Velocity) -> None:
    """Raise FileError for numbers beyond the size of the earth, whose squares may not be representable."""
    moved = (one.motion, one.std) if isinstance(one, Station) else (one.velocity, one.std)
    most = max((np.nanmax(np.abs(part), initial=0.0) for part in moved), default=0.0)
    if most > _FARTHEST:
        raise FileError(f"{name}: {one.name} has a position or velocity of {most:g} m; download it again")


def _read(name: str, lines: list[str]) -> Sequence[Station | Velocity | Part | Step]:
    if not lines:
        raise FileError(f"{name}: is empty; download it again")
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    for form in FORMATS:
        if form.recognises(suffix, lines[0]):
            return [form.read(name, lines).ordered]
    if suffix in PANGA:
        return [read_part(name, suffix, lines)]
    if is_epn(lines):
        return read_epn(name, lines)
    if is_midas(lines):
        return read_midas(name, lines)
    if is_steps(lines):
        return read_steps(name, lines)
    if suffix == ".csv":
        return [
            one.ordered if isinstance(one, Station) else one
            for one in read_csv(name, lines, PurePosixPath(name.replace("\\", "/")).stem)
        ]
    known = ", ".join(form.name for form in FORMATS)
    raise FileError(f"{name}: is not in a known format for stations ({known}, PANGA, EPN, MIDAS, steps, csv)")


# -- dataset --------------------------------------------------------------------------------------------------------


def _chosen(names: list[str], stations: Sequence[str] | None) -> list[int]:
    """Positions of the stations asked for, in the order of their names."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise FileError(f"path: station {twice[0]} is there more than once; keep one file of each")
    if stations is None:
        return sorted(range(len(names)), key=names.__getitem__)
    missing = [name for name in stations if name not in names]
    if missing:
        raise ArgumentError(f"stations: {missing[0]!r} is not there; there are {', '.join(sorted(names)[:20])}")
    return [names.index(name) for name in stations]


def _of_positions(stations: list[Station], chosen: list[int], start: str | None, end: str | None) -> xr.Dataset:
    days = np.unique(np.concatenate([stations[k].times for k in chosen]))
    if start is not None:
        days = days[days >= np.datetime64(start, "D")]
    if end is not None:
        days = days[days <= np.datetime64(end, "D")]
    if not len(days):
        raise ArgumentError(f"start, end: no day from {start or 'the first'} to {end or 'the last'} has a solution")
    arrays = np.full((9, len(chosen), len(days)), np.nan)
    for row, k in enumerate(chosen):
        one = stations[k]
        at = np.searchsorted(days, one.times).clip(max=len(days) - 1)
        inside = days[at] == one.times
        for block, values in enumerate((one.motion, one.std, one.correlation)):
            arrays[3 * block : 3 * block + 3, row, at[inside]] = values[inside].T
    dims = ("station", "time")
    layers: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {}
    for k, (name, ward) in enumerate(COMPONENTS.items()):
        layers[name] = dims, arrays[k], {"units": "m", "long_name": f"{ward} displacement since the first day"}
        about = {"units": "m", "long_name": f"standard deviation of the {ward} displacement"}
        layers[f"{name}_std"] = dims, arrays[3 + k], about
    for k, pair in enumerate(_PAIRS):
        about = {"units": "1", "long_name": f"correlation of the errors of {pair.replace('_', ' and ')}"}
        layers[f"correlation_{pair}"] = dims, arrays[6 + k], about
    time = {"long_name": "day of the solution", "standard_name": "time", "axis": "T"}
    return xr.Dataset(layers, {"time": ("time", days.astype("datetime64[ns]"), time)})


def _of_steps(steps: list[Step], stations: Sequence[str] | None, start: str | None, end: str | None) -> xr.Dataset:
    names = sorted({step.station for step in steps})
    wanted = names if stations is None else [names[k] for k in _chosen(names, stations)]
    first, last = (None if day is None else np.datetime64(day, "D") for day in (start, end))
    kept = [
        step
        for step in steps
        if step.station in wanted and (first is None or step.time >= first) and (last is None or step.time <= last)
    ]
    kept.sort(key=lambda step: (step.time, step.station))
    texts = {name: np.array([getattr(step, name) for step in kept], object) for name in ("station", "kind", "event")}
    numbers = {
        "distance": ("km", "distance of the station from the earthquake"),
        "magnitude": ("1", "magnitude of the earthquake"),
    }
    layers = {
        name: ("step", np.array([getattr(step, name) for step in kept], float), {"units": unit, "long_name": about})
        for name, (unit, about) in numbers.items()
    }
    time = np.array([step.time for step in kept], "datetime64[ns]")
    about = {"long_name": "day of a possible offset", "standard_name": "time"}
    logger.info("open_gnss: %d steps of %d stations", len(kept), len(wanted))
    return xr.Dataset(layers, {"time": ("step", time, about), **{name: ("step", of) for name, of in texts.items()}})


def _of_velocities(stations: list[Velocity], chosen: list[int]) -> xr.Dataset:
    layers: dict[str, tuple[str, np.ndarray, dict[str, str]]] = {}
    for k, (name, ward) in enumerate(COMPONENTS.items()):
        about = {"units": "m/year", "long_name": f"{ward} velocity"}
        layers[f"velocity_{name}"] = "station", np.array([stations[n].velocity[k] for n in chosen]), about
        std = {"units": "m/year", "long_name": f"standard error of the {ward} velocity"}
        layers[f"velocity_{name}_std"] = "station", np.array([stations[n].std[k] for n in chosen]), std
    for k, pair in enumerate(_PAIRS):
        about = {"units": "1", "long_name": f"correlation of the errors of {pair.replace('_', ' and ')}"}
        layers[f"correlation_{pair}"] = "station", np.array([stations[n].correlation[k] for n in chosen]), about
    return xr.Dataset(layers)


def _placed(dataset: xr.Dataset, stations: Sequence[Station | Velocity], places: Places | None) -> xr.Dataset:
    where = []
    for one in stations:
        given = (places or {}).get(one.name)
        if given is not None:
            where.append((wrapped(float(given[0])), float(given[1]), float(given[2]) if len(given) > 2 else np.nan))
        elif np.isfinite(one.place[:2]).all():
            where.append(one.place)
        else:
            raise FileError(
                f"{one.name}: its file does not say where it is; give places={{'{one.name}': (longitude, latitude)}}"
            )
    longitude, latitude, height = np.array(where).T
    if not (np.abs(latitude) <= 90).all():
        wrong = stations[int(np.argmax(np.abs(latitude)))].name
        raise FileError(f"{wrong}: its latitude is {np.abs(latitude).max():g} degrees; give longitude and latitude")
    frames = sorted({one.frame for one in stations if one.frame})
    dataset = dataset.assign_coords(
        station=("station", np.array([one.name for one in stations], object), {"cf_role": "timeseries_id"}),
        longitude=("station", longitude, {"units": "degrees_east", "standard_name": "longitude"}),
        latitude=("station", latitude, {"units": "degrees_north", "standard_name": "latitude"}),
        height=("station", height, {"units": "m", "long_name": "height above the ellipsoid"}),
    )
    attrs = {"featureType": "timeSeries", "Conventions": "CF-1.10"}
    return dataset.assign_attrs(attrs | ({"reference_frame": " ".join(frames)} if frames else {}))
