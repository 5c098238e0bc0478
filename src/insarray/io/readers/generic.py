"""Generic stack: one raster per pair, found by pattern, list or table; its dates are in the names or the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from insarray.io.baselines import baseline_table, given_baselines
from insarray.io.files import expand, fingerprint, name_of
from insarray.io.layers.decode import CoherenceDecode, ComponentDecode, Decode, PhaseDecode
from insarray.io.layers.extents import Common
from insarray.io.layers.headers import Header, agreed, common_grid, members_of, raster_layer, read_headers
from insarray.io.locations import location
from insarray.io.pairs import (
    PairFile,
    by_pair,
    matching,
    network_of_pairs,
    one_time_per_pass,
    pair_file,
    pair_file_from_name,
    require_pattern,
)
from insarray.io.source import Layer, Options, Sign, StackSource, Units
from insarray.io.tables import read_table
from insarray.model.baselines import BaselineTable
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import ArgumentError, StackError
from insarray.model.grid import Grid

_UNITS: dict[str, Units] = {
    **dict.fromkeys(("", "1", "rad", "rads", "radian", "radians"), "radian"),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), "metre"),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "millimetre"),
}
_METRES: dict[Units, float] = {"metre": 1.0, "millimetre": 1e-3}
_WAVELENGTH_TAGS = ("wavelength_metres", "wavelength_meters", "wavelength_m", "wavelength", "radar_wavelength")
_COHERENCE_NAMES = ("coherence", "correlation", "corr", "cor")
_COMPONENT_NAMES = ("connected_component_labels", "connected_components", "conncomp")


@dataclass(frozen=True)
class Inputs:
    """Files of a stack, by what they hold.

    Parameters
    ----------
    phase, coherence, components, baselines
        Of the pairs; None where there are none.
    band
        Of the phase, if its files have several.
    located
        The grid that is meant by what a file says; None if files say it all.
    downward
        Rows run from the largest y to the smallest, whatever the files have.
    """

    phase: Sequence[PairFile]
    coherence: Sequence[PairFile] | None = None
    components: Sequence[PairFile] | None = None
    baselines: BaselineTable | None = None
    band: int | None = None
    located: Callable[[Header], Grid] | None = None
    downward: bool = False


class GenericReader:
    """Rasters given one by one, by pattern, or by a table."""

    name = "generic"
    looks_for = "raster files, or a .csv table that lists them"
    options = frozenset(Options.__dataclass_fields__)

    def recognises(self, path: Path) -> bool:
        """Any file may be one of a generic stack."""
        return path.is_file()

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read and check all headers."""
        if len(paths) == 1 and paths[0].suffix.lower() == ".csv":
            inputs = _inputs_of_table(paths[0], options)
        else:
            inputs = _inputs_of_names(paths, options)
        return assemble(inputs, options)


def _inputs_of_names(paths: list[Path], options: Options) -> Inputs:
    require_pattern(options.dates)

    def pair_files(argument: str) -> list[PairFile] | None:
        files = getattr(options, argument)
        return None if files is None else [pair_file_from_name(p, options.dates) for p in expand(files, argument)]

    return Inputs(
        [pair_file_from_name(path, options.dates) for path in paths],
        pair_files("coherence"),
        pair_files("components"),
        given_baselines(options),
    )


def _inputs_of_table(table: Path, options: Options) -> Inputs:
    refused = options.given() & {"coherence", "components", "dates"}
    if refused:
        raise ArgumentError(f"{min(refused)}: does not apply to a table; {table.name} says it in a column of its own")
    rows = read_table(table)
    if not rows:
        raise StackError(f"{table}: lists no pair")

    def column(name: str) -> list[PairFile] | None:
        given = [(row, path) for row in rows if (path := getattr(row, name)) is not None]
        return [pair_file(path, row.reference, row.secondary) for row, path in given] or None

    baselines = given_baselines(options)
    known = [row for row in rows if row.bperp is not None]
    if known:
        if baselines is not None:
            raise ArgumentError(f"baselines: {table.name} has a column bperp_m already; leave one of them out")
        pairs = [(row.reference, row.secondary) for row in known]
        baselines = baseline_table(table, pairs, [row.bperp or 0.0 for row in known])
    phase = column("unwrapped")
    if phase is None or len(phase) < len(rows):
        raise StackError(f"{table}: a pair has no file in the column unwrapped; every pair needs its phase")
    return Inputs(phase, column("coherence"), column("components"), baselines)


# -- from files to a source -----------------------------------------------------------------------------------------


def assemble(inputs: Inputs, options: Options) -> StackSource:
    """Source of a stack of one raster per pair and variable.

    Raises
    ------
    FileError, StackError
        If files are unreadable, or do not belong together.
    """
    groups = [g or [] for g in (inputs.phase, inputs.coherence, inputs.components)]
    phase_files, coherence_files, component_files = one_time_per_pass(groups)
    phase = by_pair(phase_files)
    headers = _located(read_headers([file.path for file in phase.values()], options.variable, band=inputs.band), inputs)
    companions: dict[str, list[Header]] = {}
    for name, argument, files, preferred in (
        ("coherence", "coherence", coherence_files, _COHERENCE_NAMES),
        ("connected_component_labels", "components", component_files, _COMPONENT_NAMES),
    ):
        if files:
            found = read_headers([file.path for file in matching(files, phase, argument)], prefer=preferred)
            companions[name] = _located(found, inputs)
    all_headers = [header for group in (headers, *companions.values()) for header in group]
    common = common_grid(all_headers, options.extent, resample=bool(options.resample), downward=inputs.downward)
    layers: dict[str, Layer] = {
        name: raster_layer(found, _companion_decode(name, found), common.part((1 + k) * len(headers), len(headers)))
        for k, (name, found) in enumerate(companions.items())
    }
    wavelength = wavelength_of(headers, options.wavelength)
    units = options.units or _units(headers)
    if units != "radian" and options.sign is None:
        raise ArgumentError(
            f"sign: the files are in {units}s, and products differ in what positive means; say sign='toward' "
            "(OPERA, dolphin, MintPy) or sign='away' of the satellite"
        )
    sign: Sign = options.sign or "away"
    nodata = options.nodata if options.nodata is not None else _nodata(headers)
    zero_is_nodata = nodata == 0 and "connected_component_labels" in layers
    decode = PhaseDecode(
        tuple(
            _factor(sign, units, wavelength) * header.scale * (-1 if file.swapped else 1)
            for file, header in zip(phase.values(), headers, strict=True)
        ),
        None if zero_is_nodata else nodata,  # which zeros are data is seen when the components are at hand
    )
    network = network_of_pairs(phase, None)
    if inputs.baselines is not None:
        network = network_of_pairs(phase, inputs.baselines.of_pairs(network).values)
    return StackSource(
        network,
        common.grid,
        {"unwrapped_phase": raster_layer(headers, decode, common.part(0, len(headers))), **layers},
        tuple(location(header.file.path) for header in all_headers),
        zero_is_nodata,
        wavelength,
        {"source_sign": sign, "source_units": units},
        members=tuple(member for header in all_headers for member in members_of(header)),
        notes=common.notes,
        fingerprints=_fingerprints([headers, *companions.values()], common, decode, zero_is_nodata),
    )


def _fingerprints(
    groups: list[list[Header]],
    common: Common,
    decode: PhaseDecode,
    zero_is_nodata: bool,  # noqa: FBT001
) -> tuple[str, ...]:
    """What the samples of each pair depend on: its files, how their values are taken, where they lie on the grid."""
    of_pairs = zip(*groups, strict=True)
    places = [common.places[k :: len(decode.factors)] for k in range(len(decode.factors))]
    return tuple(
        fingerprint(
            [member for header in headers for member in members_of(header)],
            [(header.file.name, header.file.band, header.nodata, header.scale) for header in headers],
            factor,
            decode.nodata,
            zero_is_nodata,
            place,
        )
        for headers, factor, place in zip(of_pairs, decode.factors, places, strict=True)
    )


def _located(headers: list[Header], inputs: Inputs) -> list[Header]:
    if inputs.located is None:
        return headers
    return [replace(header, grid=inputs.located(header)) for header in headers]


def _companion_decode(name: str, headers: Sequence[Header]) -> Decode:
    remedy = "write them alike"
    nodata = agreed(headers, [header.nodata for header in headers], f"{name} no-data value", remedy)
    if name == "coherence":
        return CoherenceDecode(nodata, agreed(headers, [header.scale for header in headers], f"{name} scale", remedy))
    return ComponentDecode(nodata)


def _nodata(headers: Sequence[Header]) -> float | None:
    return agreed(headers, [header.nodata for header in headers], "no-data value", "say which with nodata=")


def _units(headers: Sequence[Header]) -> Units:
    tag = agreed(headers, [(header.units or "").strip().lower() for header in headers], "units", "give units=")
    if tag not in _UNITS:
        raise StackError(
            f"{name_of(headers[0].file.path)}: its unit tag says {tag!r}; "
            "say what it is with units='radian', 'metre' or 'millimetre'"
        )
    return _UNITS[tag]


def _factor(sign: Sign, units: Units, wavelength: float | None) -> float:
    """Radians, positive away from the satellite, per stored unit."""
    away = 1.0 if sign == "away" else -1.0
    if units == "radian":
        return away
    if wavelength is None:
        raise ArgumentError(f"wavelength: is needed to turn {units}s into radians; give it in metres")
    return away * _METRES[units] / -metres_per_radian(wavelength)  # a radian away is +wavelength / (4 pi) of range


def wavelength_of(headers: Sequence[Header], given: float | None) -> float | None:
    """Wavelength (m) that was given or, without it, that the tags of the files agree on; None if they have none."""
    if given is not None:
        return given
    tags = [(header, value) for header in headers if (value := _wavelength_tag(header)) is not None]
    if not tags:
        return None
    remedy = "give the true one with wavelength="
    return agreed([header for header, _ in tags], [value for _, value in tags], "wavelength", remedy)


def _wavelength_tag(header: Header) -> float | None:
    tags = {name.lower(): value for name, value in header.tags.items()}
    for name in _WAVELENGTH_TAGS:
        if name in tags:
            try:
                value = float(tags[name].split()[0])
                metres_per_radian(value)
            except (ValueError, IndexError) as error:
                file = name_of(header.file.path)
                raise StackError(
                    f"{file}: its tag {name} is {tags[name]!r}, not a radar wavelength in metres; give wavelength="
                ) from error
            return value
    return None
