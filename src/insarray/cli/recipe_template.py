"""The file that ``insarray config`` prints: every option of every step, with what it does and its default."""

import textwrap
from typing import Any

import click

from insarray.cli.recipe import STEPS, options_of

_HEAD = """\
# Everything that insarray run does, in one file. A section that is here is done; delete those you do not need, or
# put a # before them. Options are those of the commands of the same name; one that is commented out has its default.

output: results  # folder of all results

stack:  # the interferograms; for the steps closure and invert, and fit of pairs
  files: ifgs/*.unw.tif  # folder of a product, pattern, or list of files
"""
_TAIL = """
# export: [velocity, velocity_std]  # variables to write as GeoTIFF

# plots: [network, velocity]  # pictures: network, velocity, closure, points

# report: true  # one page (HTML) that shows it all
"""
_ABOUT = {
    "closure": "loops of pairs, to find unwrapping errors",
    "invert": "displacement series and velocity",
    "fit": "time functions with standard errors",
    "links": "velocity and height error of points of a wrapped stack",
}
_FIRST = {
    "fit": "  of: series  # what invert has made, or pairs: straight from the interferograms",
    "links": "  folder: linked  # wrapped interferograms against one date",
}
_ACTIVE = ("invert",)


def template() -> str:
    """Text of the file."""
    shared = _shared()
    parts = [_HEAD, *(_line(name, option, active=True) for name, option in shared.items())]
    for step in STEPS:
        active = step in _ACTIVE
        lead = "" if active else "# "
        lines = [f"\n{lead}{step}:  # {_ABOUT[step]}\n"]
        lines += [f"{lead}{_FIRST[step]}\n"] if step in _FIRST else []
        own = {name: option for name, option in options_of(step).items() if step == "links" or name not in shared}
        lines += [_line(name, option, active=active) for name, option in own.items()]
        parts += lines
    return "".join(parts) + _TAIL


def _shared() -> dict[str, click.Option]:
    """Options of `closure`, `invert` and `fit` alike, and those of two of them that are about the interferograms."""
    closure, invert, fit = (options_of(step) for step in ("closure", "invert", "fit"))
    run = {"scheduler", "workers", "block_timeout"}
    return {name: option for name, option in invert.items() if name in closure and name in fit and name not in run}


def _line(name: str, option: click.Option, *, active: bool) -> str:
    """An option, commented out, with its default, and its explanation behind or above it."""
    lead = "  # " if active else "#   # "
    value, note = _default(option), _explained(option)
    line = f"{lead}{name}: {value}".rstrip()
    if len(line) + len(note) + 4 <= 118:
        return f"{line}  # {note}\n" if note else f"{line}\n"
    return "".join(f"{lead}{part}\n" for part in textwrap.wrap(note, 110)) + f"{line}\n"


def _default(option: click.Option) -> str:
    default: Any = option.default
    if isinstance(default, bool):
        return str(default).lower()
    if option.multiple:
        return "[]"
    if isinstance(default, tuple | list):
        return "[" + ", ".join(f"{value:g}" for value in default) + "]"
    return "" if not isinstance(default, int | float | str) else str(default)


def _explained(option: click.Option) -> str:
    choices = " | ".join(option.type.choices) if isinstance(option.type, click.Choice) else option.metavar or ""
    return ". ".join(part for part in (choices, (option.help or "").rstrip(".")) if part)
