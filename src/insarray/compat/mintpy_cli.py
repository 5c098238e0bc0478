"""``insarray mintpy``: MintPy's commands over ours. Heavy imports happen inside commands."""

from typing import Any

import click

from insarray.compat.mintpy_options import (
    SeveralCommand,
    dem_error_options,
    inversion_options,
    json_option,
    velocity_options,
    writing_options,
)


@click.group()
def mintpy() -> None:
    """Do what MintPy's commands do, from its files to its files."""


@mintpy.command()
@click.argument("stack", metavar="IFGRAM_STACK")
@inversion_options
def invert(stack: str, **options: Any) -> None:
    """Invert ifgramStack.h5 for timeseries.h5, temporalCoherence.h5 and numInvIfgram.h5, as ifgram_inversion.py.

    Run the same command again to finish an interrupted run.
    """
    from insarray.compat.mintpy import workflow

    _say(workflow.invert(stack, options), as_json=options["as_json"])


@mintpy.command(cls=SeveralCommand)
@click.argument("series", metavar="TIMESERIES")
@velocity_options
def velocity(series: str, **options: Any) -> None:
    """Fit time functions to timeseries.h5 and write velocity.h5, as timeseries2velocity.py."""
    from insarray.compat.mintpy import workflow

    _say(workflow.velocity(series, options), as_json=options["as_json"])


@mintpy.command(name="dem-error", cls=SeveralCommand)
@click.argument("series", metavar="TIMESERIES")
@dem_error_options
def dem_error(series: str, **options: Any) -> None:
    """Estimate the DEM error and take it out of the series, as dem_error.py."""
    from insarray.compat.mintpy import workflow

    _say(workflow.dem_error(series, options), as_json=options["as_json"])


@mintpy.command()
@click.argument("store")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--attrs", metavar="FILE", help="MintPy's file whose attributes to carry over, such as ifgramStack.h5.")
@writing_options
@json_option
def export(store: str, folder: str, **options: Any) -> None:
    """Write what STORE holds, a series or a fit, as MintPy's files into FOLDER."""
    from insarray.compat.mintpy import workflow

    _say(workflow.export(store, folder, options), as_json=options["as_json"])


def _say(report: dict[str, Any], *, as_json: bool) -> None:
    """Print what was done."""
    if as_json:
        import json

        click.echo(json.dumps(report))
        return
    computed = f" ({report['computed']} of {report['blocks']} blocks computed)" if "blocks" in report else ""
    click.echo(f"{', '.join(report['files'])}: written{computed}")
