"""Commands of components, GNSS and frames: decompose, merge, gnss, tie, validate, frame."""

import json
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import xarray as xr

from insarray.cli import options as group
from insarray.cli.components_points_export import Decompose, Frame, Gnss, Merge, Tie, Validate
from insarray.cli.compute import refuse_input_as_output, run_into, save_plot
from insarray.cli.inputs import open_result
from insarray.cli.say import echo
from insarray.engine.open import is_result
from insarray.export.rasters import to_netcdf
from insarray.io.gnss.open import open_gnss
from insarray.model.dates import date_index
from insarray.model.errors import ArgumentError
from insarray.model.numbers import plain_number
from insarray.products.components.decompose import decompose as decompose_tracks
from insarray.products.components.frame import change_frame
from insarray.products.components.sight import line_of_sight
from insarray.products.components.tracks import LINE_OF_SIGHT
from insarray.products.gnss.compare import compare_gnss, table
from insarray.products.gnss.tie import tie_to_gnss
from insarray.products.gnss.validate import table as validation_table
from insarray.products.gnss.validate import validate as validate_pairs
from insarray.products.tracks.merge import merge_tracks


def decompose(options: Decompose) -> None:
    """Components of the tracks of several stores."""
    refuse_input_as_output(_files(options.files, options.gnss, options.like), options.out)
    if options.north is None:
        raise ArgumentError("--north: state the assumption about north motion: zero, gnss or free")
    tracks = _tracks(options.files, options.line_of_sight)
    noise = list(options.noise)
    found = decompose_tracks(
        tracks,
        north=options.north,
        gnss=None if options.gnss is None else open_result(options.gnss),
        like=None if options.like is None else open_result(options.like),
        noise=None if not noise else noise if len(noise) > 1 else noise[0],
        knots=options.knots,
        **options.keywords(group.Decomposing),
    )
    run_into(found, options)


def merge(options: Merge) -> None:
    """Merge the tracks of several stores."""
    refuse_input_as_output(_files(options.files, options.gnss, options.like), options.out)
    merged = merge_tracks(
        _tracks(options.files, options.line_of_sight, needed=options.gnss is not None),
        gnss=None if options.gnss is None else open_gnss(options.gnss),
        like=None if options.like is None else open_result(options.like),
        **options.keywords(group.Merging),
    )
    run_into(merged, options)


def _tracks(files: Sequence[str], line_of_sight: Sequence[str], *, needed: bool = True) -> dict[str, xr.Dataset]:
    """Tracks by their names, with their line of sight, which must be known if it is needed."""
    sights: Sequence[str | None] = line_of_sight or (None,) * len(files)
    if len(sights) != len(files):
        raise ArgumentError(f"--line-of-sight: {len(sights)} for {len(files)} tracks; give one of each, in their order")
    given = zip(_names(files), files, sights, strict=True)
    return {name: sighted(file, sight, needed=needed) for name, file, sight in given}


def compare(options: Gnss) -> None:
    """Print what a series and stations differ by."""
    series = sighted(options.store, one_sight(options.line_of_sight))
    found = compare_gnss(series, open_gnss(options.stations), **options.keywords(group.Comparing))
    if options.plot is not None:
        from insarray import plot

        save_plot(plot.gnss(found), options.plot, series, options.stations, *options.line_of_sight)
    if options.out is not None:
        refuse_input_as_output(_files((options.store, *options.line_of_sight), options.stations), options.out)
        to_netcdf(found, options.out, overwrite=options.overwrite)
    if options.json:
        echo(json.dumps(_as_json(found)))
        return
    echo(table(found))
    if options.plot is not None:
        echo(f"{options.plot}: written")


def tie(options: Tie) -> None:
    """Tie a store to GNSS."""
    refuse_input_as_output(_files((options.store,), options.gnss, options.mask), options.out)
    data = sighted(options.store, one_sight(options.line_of_sight))
    gnss = open_result(options.gnss) if is_result(options.gnss) else open_gnss(options.gnss)
    run_into(tie_to_gnss(data, gnss, **options.keywords(group.Tying)), options)


def validate(options: Validate) -> None:
    """Print how many pairs of places meet a requirement."""
    data = open_result(options.store)
    if options.date is not None:
        data = data.isel(time=date_index(data.time.values, options.date))
    if options.gnss is not None or options.line_of_sight:
        sight = one_sight(options.line_of_sight)
        data = data if sight is None else data.assign(_sight(data, sight))
    stations = None if options.gnss is None else open_gnss(options.gnss)
    found = validate_pairs(data, stations, **options.keywords(group.Validating))
    if options.plot is not None:
        from insarray import plot

        plot.save(plot.validation(found), options.plot)
    if options.json:
        columns = {str(name): layer.values.tolist() for name, layer in {**found.coords, **found.data_vars}.items()}
        rows = [dict(zip(columns, map(_plain, row), strict=True)) for row in zip(*columns.values(), strict=True)]
        echo(json.dumps({**found.attrs, "bins": rows}))
        return
    echo(validation_table(found))
    if options.plot is not None:
        echo(f"{options.plot}: written")


def frame(options: Frame) -> None:
    """Remove the motion of a plate from a store, or add it."""
    refuse_input_as_output([options.store], options.out)
    data = sighted(options.store, one_sight(options.line_of_sight), needed=False)
    run_into(change_frame(data, pole=_pole(options.pole), **options.keywords(group.Framing)), options)


def sighted(store: str, sight: str | None, *, needed: bool = True) -> xr.Dataset:
    """A stored result with its line of sight: its own, or that of an option."""
    data = open_result(store)
    if sight is not None:
        return data.assign(_sight(data, sight))
    if needed and any(name not in data for name in LINE_OF_SIGHT):
        raise ArgumentError(
            f"{store}: has no line of sight; give its files, or INCIDENCE/HEADING, with --line-of-sight"
        )
    return data


def _sight(data: xr.Dataset, text: str) -> xr.Dataset:
    angles = text.split("/")
    if len(angles) == 2 and all(map(_is_number, angles)):
        return line_of_sight(data, incidence_angle=plain_number(angles[0]), heading=plain_number(angles[1]))
    return line_of_sight(data, text)


def _is_number(text: str) -> bool:
    try:
        plain_number(text)
    except ValueError:
        return False
    return True


def one_sight(given: Sequence[str]) -> str | None:
    """The line of sight of a single store, if one is given."""
    if len(given) > 1:
        raise ArgumentError(f"--line-of-sight: {len(given)} are given for one store; give one")
    return given[0] if given else None


def _pole(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 3 or not all(map(_is_number, parts)):
        raise ArgumentError(f"--pole: {text!r} is not LAT,LON,RATE in degrees and degrees per million years")
    latitude, longitude, rate = map(plain_number, parts)
    return latitude, longitude, rate


def _names(files: Sequence[str]) -> list[str]:
    """Tracks by the names of their stores, or by numbers where these are the same."""
    stems = [PurePosixPath(file.rstrip("/")).stem for file in files]
    return stems if len(set(stems)) == len(stems) else [f"track_{k}" for k in range(1, len(files) + 1)]


def _files(files: Sequence[str], *others: str | None) -> list[str]:
    return [*files, *(other for other in others if other is not None)]


def _as_json(found: xr.Dataset) -> dict[str, Any]:
    """Numbers of a comparison: of the whole, of stations and of dates."""
    of_station = {}
    for n, station in enumerate(found.station.values):
        one = found.isel(station=n)
        of_station[str(station)] = {str(k): _plain(v.values) for k, v in one.data_vars.items() if v.ndim == 0}
    dates = [str(time)[:19] for time in found.time.values.astype("datetime64[s]")]
    of_date = {name: [_plain(v) for v in found[name].values] for name in ("rms_of_date", "number_of_stations")}
    whole = {str(name): value for name, value in found.attrs.items() if isinstance(value, int | float | str)}
    return {**whole, "stations": of_station, "dates": dates, **of_date}


def _plain(value: Any) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
