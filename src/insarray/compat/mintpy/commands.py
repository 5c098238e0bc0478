"""Run the commands of ``insarray mintpy``: the workflow with the options, and a line about the written files."""

import json
from typing import Any

from insarray.cli.say import echo
from insarray.compat.ignored import note_ignored
from insarray.compat.mintpy import workflow
from insarray.compat.mintpy_cli import DemError, Export, Invert, Resources, Updating, Velocity, Writing


def invert(options: Invert) -> None:
    """Run ``insarray mintpy invert``."""
    _print(workflow.invert(options.stack, _values(options)), options)


def velocity(options: Velocity) -> None:
    """Run ``insarray mintpy velocity``."""
    _print(workflow.velocity(options.series, _values(options)), options)


def dem_error(options: DemError) -> None:
    """Run ``insarray mintpy dem-error``."""
    _print(workflow.dem_error(options.series, _values(options)), options)


def export(options: Export) -> None:
    """Run ``insarray mintpy export``."""
    _print(workflow.export(options.store, options.folder, vars(options)), options)


def _values(options: Updating) -> dict[str, Any]:
    """Return the values of the options, after a note about those that have no effect."""
    note_ignored(options, Resources, "memory and workers follow from the blocks and --workers")
    return vars(options)


def _print(report: dict[str, Any], options: Writing) -> None:
    if options.json:
        echo(json.dumps(report))
        return
    if report.get("up_to_date"):
        echo(f"{', '.join(report['files'])}: up to date")
        return
    computed = f" ({report['computed']} of {report['blocks']} blocks computed)" if "blocks" in report else ""
    echo(f"{', '.join(report['files'])}: written{computed}")
