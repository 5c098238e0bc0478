"""Settings of MintPy's steps, from the command line, else the templates, else MintPy's defaults."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from insarray.compat.mintpy import template
from insarray.compat.mintpy.template import Entry, Parser, options_of, read_templates
from insarray.model.errors import ArgumentError, FileError

INVERSION: dict[str, Any] = {
    "variable": "unwrapPhase",
    "weights": "var",
    "mask_dataset": "no",
    "mask_threshold": 0.4,
    "min_norm_phase": False,
    "min_redundancy": 1.0,
    "min_temporal_coherence": 0.7,
    "shadow_mask": True,
    "water_mask": None,
}
"""MintPy's defaults for ifgram_inversion.py, and for the mask that smallbaselineApp.py makes after it."""

TIME_FUNCTIONS: dict[str, Any] = {
    "degree": 1,
    "periods": (),
    "steps": (),
    "polylines": (),
    "exponentials": (),
    "logarithms": (),
    "start": None,
    "end": None,
    "exclude": (),
    "uncertainty": "residue",
    "covariance": None,
    "samples": 400,
}
"""MintPy's defaults for timeseries2velocity.py."""

HEIGHT_ERROR: dict[str, Any] = {"degree": 2, "periods": (), "steps": (), "exclude": (), "phase_velocity": False}
"""MintPy's defaults for dem_error.py."""

_INVERSION_KEYS: dict[str, tuple[str, Parser]] = {
    "obsDatasetName": ("variable", str),
    "weightFunc": ("weights", template.only("var", "fim", "coh", "no")),
    "waterMaskFile": ("water_mask", template.path),
    "minNormVelocity": ("min_norm_phase", lambda text: not template.yes(text)),
    "maskDataset": ("mask_dataset", template.only("coherence", "connectComponent", "no")),
    "maskThreshold": ("mask_threshold", template.number(0)),
    "minRedundancy": ("min_redundancy", template.number(0)),
    "minTempCoh": ("min_temporal_coherence", template.number(0)),
    "shadowMask": ("shadow_mask", template.yes),
    "residualNorm": ("residual_norm", template.only("L2")),
}
_OF_THE_APP = ("minNumPixel", "pixelwiseGeometry")
"""Keys of smallbaselineApp.py that MintPy's programs do not read: `pixelwiseGeometry` says whether it gives -g."""

_TIME_KEYS: dict[str, tuple[str, Parser]] = {
    "startDate": ("start", lambda text: None if template.is_off(text) else text),
    "endDate": ("end", lambda text: None if template.is_off(text) else text),
    "excludeDate": ("exclude", template.words),
    "polynomial": ("degree", template.degree),
    "periodic": ("periods", template.numbers),
    "stepDate": ("steps", template.words),
    "polyline": ("polylines", template.words),
    "exp": ("exponentials", template.relaxations),
    "log": ("logarithms", template.relaxations),
    "uncertaintyQuantification": ("uncertainty", template.only("residue", "covariance", "bootstrap")),
    "timeSeriesCovFile": ("covariance", template.path),
    "bootstrapCount": ("samples", lambda text: int(template.number(2)(text))),
}
_HEIGHT_KEYS: dict[str, tuple[str, Parser]] = {
    "polyOrder": ("degree", template.degree),
    "stepDate": ("steps", template.words),
    "excludeDate": ("exclude", template.words),
    "periodic": ("periods", template.numbers),
    "phaseVelocity": ("phase_velocity", template.yes),
}
_NOTED = {
    "mintpy.timeFunc": (_TIME_KEYS, [key for key in _TIME_KEYS if key != "polyline"]),
    "mintpy.topographicResidual": (_HEIGHT_KEYS, ["polyOrder", "phaseVelocity", "stepDate", "excludeDate"]),
}
"""Keys of the templates, and those that MintPy 1.6 writes into its files (its lists `config_keys`)."""

_CORRECTIONS = {
    "bridging": "unwrapPhase_bridging",
    "phase_closure": "unwrapPhase_phaseClosure",
    "bridging+phase_closure": "unwrapPhase_bridging_phaseClosure",
}
_EXCLUDED = "exclude_date.txt"


def inversion(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the inversion, with the names of `INVERSION`.

    Raises
    ------
    ArgumentError, FileError
        If a template cannot be read or has an unsupported value.
    """
    entries = read_templates(options["templates"])
    step = "mintpy.networkInversion"
    found = options_of(entries, step, _INVERSION_KEYS, _OF_THE_APP)
    corrected = options_of(
        entries, "mintpy.unwrapError", {"method": ("variable", _corrected)}, _other(entries, "method")
    )
    mask = entries.get(f"{step}.waterMaskFile")
    if mask is not None and mask.text.lower() == "auto" and Path("waterMask.h5").is_file():
        found["water_mask"] = "waterMask.h5"
    elif found.get("water_mask") is not None and not Path(found["water_mask"]).is_file():
        raise FileError(f"{mask.file if mask else ''}: {step}.waterMaskFile = {found['water_mask']!r} does not exist")
    return _chosen(INVERSION, corrected | found, options)


def time_functions(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the velocity, with the names of `TIME_FUNCTIONS`; raises as `inversion`."""
    entries = read_templates(options["templates"])
    found = options_of(entries, "mintpy.timeFunc", _TIME_KEYS)
    return _with_excluded(_chosen(TIME_FUNCTIONS, found, options), entries.get("mintpy.timeFunc.excludeDate"))


def height_error(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the height error, with the names of `HEIGHT_ERROR`; raises as `inversion`."""
    entries = read_templates(options["templates"])
    step = "mintpy.topographicResidual"
    found = options_of(entries, step, _HEIGHT_KEYS, _OF_THE_APP)
    return _with_excluded(_chosen(HEIGHT_ERROR, found, options), entries.get(f"{step}.excludeDate"))


def noted(step: str, chosen: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes by which MintPy's ``--update`` recognises a step with these settings."""
    keys, written = _NOTED[step]
    return {f"{step}.{key}": str(_listed(chosen.get(keys[key][0]))) for key in written}


def _listed(value: Any) -> Any:
    """Return lists as MintPy's parser makes them: `[]`, `['20200119']`, `[['20200119', '60']]`."""
    return [_listed(part) for part in value] if isinstance(value, tuple) else value


def _other(entries: Mapping[str, Entry], name: str) -> list[str]:
    """Return the last parts of all keys except one: those of the step that made the phase."""
    return [rest for key in entries if (rest := key.rpartition(".")[2]) != name]


def _corrected(text: str) -> str:
    method = text.lower().replace(" ", "")
    if template.is_off(method):
        return str(INVERSION["variable"])
    if method not in _CORRECTIONS:
        raise ValueError(f"it is one of {', '.join(_CORRECTIONS)}, no")
    return _CORRECTIONS[method]


def _chosen(defaults: dict[str, Any], from_templates: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of every setting; options that were not given are None, False or empty."""
    said = {name: options[name] for name in defaults if name in options}
    given = {name: value for name, value in said.items() if value not in (None, ()) and value is not False}
    return defaults | {name: value for name, value in from_templates.items() if name in defaults} | given


def _with_excluded(settings: dict[str, Any], entry: Entry | None) -> dict[str, Any]:
    """Return the settings with excluded dates; words that name a file are replaced by the dates in it."""
    listed = settings["exclude"]
    if not listed and entry is not None and entry.text.lower() == "auto" and Path(_EXCLUDED).is_file():
        listed = (_EXCLUDED,)
    dates: list[str] = []
    for word in listed:
        if word[:1].isdigit() and not Path(word).is_file():
            dates.append(word)
            continue
        try:
            lines = Path(word).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ArgumentError(f"--ex: {word!r} is neither a date nor a readable list of dates ({error})") from error
        dates += [date for line in lines if (date := line.split("#")[0].strip())]
    return settings | {"exclude": tuple(dates)}
