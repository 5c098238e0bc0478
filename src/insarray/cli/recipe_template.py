"""``insarray config``: print a file with every option of every step and its default, or its JSON schema."""

import json
import textwrap
from dataclasses import Field
from typing import Any

import click

from insarray.cli.recipe import NOT_KEYS, OWN, PLOTS, STEPS
from insarray.cli.say import echo
from insarray.cli.stacks_and_series import Config
from insarray.cli.typed import is_list, option_fields, param_type, schema
from insarray.model.conventions import VARIABLES

_HEAD = """\
# All steps of insarray run in one file. A section that is here is run; delete those you do not need, or put a # before
# them. Keys are the options of the commands of the same name; one that is commented out has its default.

output: results  # folder of all results

stack:  # the interferograms; for the steps closure and invert, and fit of pairs
  files: ifgs/*.unw.tif  # folder of a product, pattern, or list of files
"""
_TAIL = f"""
# export: [velocity, velocity_std]  # variables to write as GeoTIFF

# plots: [network, velocity]  # pictures: {", ".join(PLOTS)}

# report: true  # one page (HTML) with maps, checks and time series
"""
_ABOUT = {
    "closure": "loops of pairs, to find unwrapping errors",
    "invert": "displacement series and velocity",
    "correct": "the series of invert less troposphere, tides, ionosphere; then fit and report are of this",
    "fit": "time functions with standard errors",
    "links": "velocity and height error (DEM error) of points of a wrapped stack",
}
_FIRST = {
    "fit": "  of: series  # the series of invert; or pairs: straight from the interferograms",
    "links": "  folder: linked  # wrapped interferograms against one date",
}
_ACTIVE = ("invert",)


def print_config(options: Config) -> None:
    """Print the file, or its schema."""
    echo(json.dumps(json_schema(), indent=2) if options.schema else template().rstrip("\n"))


def template() -> str:
    """Return the text of the file."""
    shared = _shared()
    parts = [_HEAD, *(_line(entry, active=True) for entry in shared.values())]
    for step in STEPS:
        active = step in _ACTIVE
        lead = "" if active else "# "
        parts.append(f"\n{lead}{step}:  # {_ABOUT[step]}\n")
        parts += [f"{lead}{_FIRST[step]}\n"] if step in _FIRST else []
        kept = set(keys(step)) if step == "links" else {"dem"} if step == "correct" else set()
        own = {name: entry for name, entry in keys(step).items() if name in kept or name not in shared}
        parts += [_line(entry, active=active) for entry in own.values()]
    return "".join(parts) + _TAIL


def keys(step: str) -> dict[str, Field[Any]]:
    """Return the options that the section of a step may have."""
    return {entry.name: entry for entry in option_fields(STEPS[step]) if entry.name not in NOT_KEYS}


def _shared() -> dict[str, Field[Any]]:
    """Return the options for the interferograms that `closure`, `invert` and `fit` share."""
    closure, invert, fit = (keys(step) for step in ("closure", "invert", "fit"))
    run = {"scheduler", "workers", "block_timeout"}
    return {name: entry for name, entry in invert.items() if name in closure and name in fit and name not in run}


def _line(entry: Field[Any], *, active: bool) -> str:
    """Return an option with its default, commented out unless active, and its explanation after or above it."""
    lead = "  # " if active else "#   # "
    value, note = _default(entry), _explained(entry)
    line = f"{lead}{entry.name}: {value}".rstrip()
    if len(line) + len(note) + 4 <= 118:
        return f"{line}  # {note}\n" if note else f"{line}\n"
    return "".join(f"{lead}{part}\n" for part in textwrap.wrap(note, 110)) + f"{line}\n"


def _default(entry: Field[Any]) -> str:
    default = entry.default
    if isinstance(default, bool):
        return str(default).lower()
    if is_list(entry):
        return "[]"
    if isinstance(default, tuple):
        return "[" + ", ".join(f"{value:g}" for value in default) + "]"
    return "" if default is None else str(default)


def _explained(entry: Field[Any]) -> str:
    kind = param_type(entry)
    choices = " | ".join(kind.choices) if isinstance(kind, click.Choice) else entry.metadata["metavar"] or ""
    return ". ".join(part for part in (choices, entry.metadata["text"].rstrip(".")) if part)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the file."""
    text = {"type": "string"}
    files = {"files": {"anyOf": [text, {"type": "array", "items": text}]}}
    own: dict[str, dict[str, Any]] = {
        "stack": files,
        "fit": {"of": {"enum": ["series", "pairs"]}},
        "links": {"folder": text},
    }
    assert {name: tuple(entries) for name, entries in own.items()} == OWN  # noqa: S101 - consistent with OWN
    sections = {step: own.get(step, {}) | schema(STEPS[step], NOT_KEYS) for step in STEPS}
    stack = files | {name: entry for step in ("fit", "closure", "invert") for name, entry in sections[step].items()}
    stack = {name: entry for name, entry in stack.items() if name != "of"}
    objects = {
        name: {"type": ["object", "null"], "properties": entries, "additionalProperties": False}
        for name, entries in {"stack": stack, **sections}.items()
    }
    lists = {"export": sorted(VARIABLES), "plots": list(PLOTS)}
    listed = {name: {"type": "array", "items": {"enum": names}} for name, names in lists.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "insarray run",
        "type": "object",
        "properties": {"output": text, **objects, **listed, "report": {"type": "boolean"}},
        "additionalProperties": False,
    }
