"""Reader of generic stacks: one raster per pair, from a pattern, list or table, with dates in names or table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from insarray.io.baselines import baseline_table, given_baselines
from insarray.io.files import expand, fingerprint, is_archive, name_of, unpacking
from insarray.io.layers.decode import CoherenceDecode, ComponentDecode, Decode, PhaseDecode, per_file
from insarray.io.layers.extents import Common
from insarray.io.layers.headers import Header, agreed, common_grid, members_of, raster_layer, read_headers
from insarray.io.layers.reference import product_reference
from insarray.io.layers.said import unit_by_name, with_given
from insarray.io.locations import location
from insarray.io.pairs import (
    PairFile,
    by_pair,
    companions_of,
    network_of_pairs,
    one_time_per_pass,
    pair_file,
    pair_file_from_name,
    require_pattern,
)
from insarray.io.readers.point_tables import is_point_table
from insarray.io.source import Layer, Options, Sign, StackSource
from insarray.io.tables import read_table
from insarray.model.baselines import BaselineTable
from insarray.model.conventions import metres_per_radian
from insarray.model.errors import ArgumentError, FileError, StackError
from insarray.model.grid import Grid
from insarray.model.secrets import identity

_UNITS: dict[str, str] = {
    **dict.fromkeys(("", "rad", "rads", "radian", "radians"), "radian"),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), "metre"),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), "centimetre"),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), "millimetre"),
}
_METRES: dict[str, float] = {"metre": 1.0, "centimetre": 1e-2, "millimetre": 1e-3}
_ANGLES = {"deg", "degree", "degrees", "cycle", "cycles"}
_PERCENT = {"%", "percent", "pct"}
_WAVELENGTH_TAGS = ("wavelength_metres", "wavelength_meters", "wavelength_m", "wavelength", "radar_wavelength")
_COHERENCE_NAMES = ("coherence", "correlation", "corr", "cor")
_COMPONENT_NAMES = ("connected_component_labels", "connected_components", "conncomp")


@dataclass(frozen=True)
class Inputs:
    """Files of a stack by layer.

    Parameters
    ----------
    phase, coherence, components, baselines
        Files of the pairs, or a table; None if there are none.
    band
        Band of the phase, for files with several.
    located
        Function from a header to the grid of the file; None if the files state it completely.
    downward
        Order rows from the largest y to the smallest, regardless of the files.
    needed
        Layers that were requested and must exist for every pair. Others are dropped if incomplete.
    """

    phase: Sequence[PairFile]
    coherence: Sequence[PairFile] | None = None
    components: Sequence[PairFile] | None = None
    baselines: BaselineTable | None = None
    band: int | None = None
    located: Callable[[Header], Grid] | None = None
    downward: bool = False
    needed: frozenset[str] = frozenset()


class GenericReader:
    """Reader of rasters given one by one, by pattern, or in a table."""

    name = "generic"
    looks_for = "raster files, or a .csv table that lists them"
    options = frozenset(Options.__dataclass_fields__) - {"layers"}

    def recognises(self, path: Path) -> bool:
        """Return whether the path is a file, which may belong to a generic stack."""
        return path.is_file()

    def scan(self, paths: list[Path], options: Options) -> StackSource:
        """Read and check all headers."""
        if len(paths) == 1 and paths[0].suffix.lower() == ".csv":
            inputs = _inputs_of_table(paths[0], options)
        else:
            inputs = _inputs_of_names(paths, options)
        return assemble(inputs, options, in_radians=False)


def _inputs_of_names(paths: list[Path], options: Options) -> Inputs:
    packed = next((path for path in paths if is_archive(path)), None)
    if packed is not None:
        raise FileError(f"{packed}: is an archive; unpack it, and give the folder{unpacking(packed)}")
    folder = next((path for path in paths if path.is_dir()), None)
    if folder is not None:
        raise FileError(
            f"{folder}: is a folder, the product generic is files; give a pattern of them, such as '{folder}/*.tif'"
        )
    require_pattern(options.dates)

    def pair_files(argument: str) -> list[PairFile] | None:
        files = getattr(options, argument)
        return None if files is None else [pair_file_from_name(p, options.dates) for p in expand(files, argument)]

    return Inputs(
        [pair_file_from_name(path, options.dates) for path in paths],
        pair_files("coherence"),
        pair_files("components"),
        given_baselines(options),
        needed=frozenset(options.given() & {"coherence", "components"}),
    )


def _inputs_of_table(table: Path, options: Options) -> Inputs:
    refused = options.given() & {"coherence", "components", "dates"}
    if refused:
        raise ArgumentError(f"{min(refused)}: does not apply to a table; {table.name} says it in a column of its own")
    if is_point_table(table):
        raise FileError(
            f"{table}: is a table of points with a series each, not of interferograms; open it with insarray.open"
        )
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


def assemble(inputs: Inputs, options: Options, *, in_radians: bool = True) -> StackSource:
    """Return the source of a stack of one raster per pair and variable.

    Parameters
    ----------
    inputs
        Files by layer.
    options
        Options of the user, and what is known of the product.
    in_radians
        Whether phases of the product are in radians, so that a file that says otherwise is refused.

    Raises
    ------
    FileError, StackError
        If files are unreadable or do not belong together.
    """
    groups = [group or [] for group in (inputs.phase, inputs.coherence, inputs.components)]
    phase_files, coherence_files, component_files = one_time_per_pass(groups)
    phase = by_pair(phase_files)
    headers = _located(read_headers([file.path for file in phase.values()], options.variable, band=inputs.band), inputs)
    _refuse_pictures(headers)
    if in_radians:
        _refuse_lengths(headers)
    companions: dict[str, list[Header]] = {}
    notes: list[str] = []
    for name, argument, files, preferred in (
        ("coherence", "coherence", coherence_files, _COHERENCE_NAMES),
        ("connected_component_labels", "components", component_files, _COMPONENT_NAMES),
    ):
        if files:
            there, said = companions_of(files, phase, argument, needed=argument in inputs.needed)
            notes += said
            if there:
                companions[name] = _located(read_headers([file.path for file in there], prefer=preferred), inputs)
    all_headers = [header for group in (headers, *companions.values()) for header in group]
    common = common_grid(all_headers, options.extent, resample=bool(options.resample), downward=inputs.downward)
    layers: dict[str, Layer] = {
        name: raster_layer(found, _companion_decode(name, found), common.part((1 + k) * len(headers), len(headers)))
        for k, (name, found) in enumerate(companions.items())
    }
    wavelength = wavelength_of(headers, options.wavelength)
    units = [options.units] * len(headers) if options.units else _units(headers)
    if set(units) != {"radian"} and options.sign is None:
        raise ArgumentError(
            f"sign: the files are in {units[0]}s, and products differ in what positive means; say sign='toward' "
            "(OPERA, dolphin, MintPy) or sign='away' of the satellite"
        )
    sign: Sign = options.sign or "away"
    nodata = [with_given(header.nodata, options.nodata) for header in headers]
    zero_is_nodata = all(0 in values for values in nodata) and "connected_component_labels" in layers
    if zero_is_nodata:  # zeros that are data are identified later with the components
        nodata = [tuple(value for value in values if value != 0) for values in nodata]
    factors = [
        _factor(sign, unit, wavelength) * header.scale * (-1 if file.swapped else 1)
        for file, header, unit in zip(phase.values(), headers, units, strict=True)
    ]
    decode = _phase_decode(factors, nodata)
    reference, referenced = product_reference(headers)
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
        {"source_sign": sign, "source_units": units[0], **reference},
        members=tuple(member for header in all_headers for member in members_of(header)),
        notes=(*notes, *common.notes, *referenced),
        fingerprints=_fingerprints([headers, *companions.values()], common, factors, nodata, zero_is_nodata),
    )


def _phase_decode(factors: Sequence[float], nodata: Sequence[tuple[float, ...]]) -> Decode:
    """Return the decoder of the phase with the no-data values of each file."""
    if len(set(nodata)) == 1:
        return PhaseDecode(tuple(factors), nodata[0])
    return per_file([PhaseDecode((factor,), values) for factor, values in zip(factors, nodata, strict=True)])


def _fingerprints(
    groups: list[list[Header]],
    common: Common,
    factors: Sequence[float],
    nodata: Sequence[tuple[float, ...]],
    zero_is_nodata: bool,  # noqa: FBT001
) -> tuple[str, ...]:
    """Return a hash per pair of its files, their decoding, and their places on the grid."""
    of_pairs = zip(*groups, strict=True)
    places = [common.places[k :: len(factors)] for k in range(len(factors))]
    return tuple(
        fingerprint(
            [member for header in headers for member in members_of(header)],
            [(identity(header.file.name), header.file.band, header.nodata, header.scale) for header in headers],
            factor,
            values,
            zero_is_nodata,
            place,
        )
        for headers, factor, values, place in zip(of_pairs, factors, nodata, places, strict=True)
    )


def _located(headers: list[Header], inputs: Inputs) -> list[Header]:
    if inputs.located is None:
        return headers
    return [replace(header, grid=inputs.located(header)) for header in headers]


def _companion_decode(name: str, headers: Sequence[Header]) -> Decode:
    if name == "coherence":
        return per_file([CoherenceDecode(header.nodata, _coherence_scale(header)) for header in headers])
    return per_file([ComponentDecode(header.nodata) for header in headers])


def _coherence_scale(header: Header) -> float:
    return header.scale * (0.01 if header.units in _PERCENT else 1.0)


def _refuse_pictures(headers: Sequence[Header]) -> None:
    for header in headers:
        if header.dtype == "uint8" and header.scale == 1.0:
            raise StackError(f"{header.file.path}: holds bytes, as pictures of phases do; give the file with the phase")


def _refuse_lengths(headers: Sequence[Header]) -> None:
    """Raise StackError for a file of a product in radians whose tag says that it is a length, or another angle."""
    for header in headers:
        if _UNITS.get(header.units, "radian") != "radian" or header.units in _ANGLES:
            raise StackError(
                f"{header.file.path}: its unit tag says {header.units!r}, but phases of the product are in radians; replace "
                "it, or open a pattern of the files with product='generic' (--product generic)"
            )


def _units(headers: Sequence[Header]) -> list[str]:
    """Return the unit of each file: from its tags, else its name, else radian; all lengths or all angles."""
    said = [header.units or unit_by_name(header.file.path, header.file.name) for header in headers]
    for header, unit in zip(headers, said, strict=True):
        if unit not in _UNITS:
            raise StackError(
                f"{name_of(header.file.path)}: its unit tag says {unit!r}; "
                "say what it is with units='radian', 'metre' or 'millimetre'"
            )
    units = [_UNITS[unit] for unit in said]
    if "radian" in units and set(units) != {"radian"}:
        remedy = "write them alike" if any(_UNITS[unit] == "radian" for unit in said if unit) else "give units="
        agreed(headers, [unit or "none" for unit in said], "units", remedy)
    return units


def _factor(sign: Sign, units: str, wavelength: float | None) -> float:
    """Return the radians, positive away from the satellite, per stored unit."""
    away = 1.0 if sign == "away" else -1.0
    if units == "radian":
        return away
    if wavelength is None:
        raise ArgumentError(f"wavelength: is needed to turn {units}s into radians; give it in metres")
    return away * _METRES[units] / -metres_per_radian(wavelength)  # a radian away is +wavelength / (4 pi) of range


def wavelength_of(headers: Sequence[Header], given: float | None) -> float | None:
    """Return the given wavelength (m), else that of the tags, which must agree; None if there are none."""
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
