"""The command line: verbs and their options. Heavy imports happen inside commands."""

from typing import Any

import click

from insarray._version import __version__
from insarray.cli.options import (
    SeveralCommand,
    append_option,
    block_option,
    correction_option,
    fit_options,
    geometry_options,
    json_option,
    link_options,
    masking,
    minimum_options,
    point_options,
    quality_criteria,
    quality_options,
    reading,
    reference_option,
    robust_options,
    run_options,
    selecting,
    time_options,
    weight_options,
    wrapped_options,
)

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(context_settings=_CONTEXT, invoke_without_command=True)
@click.option("--version", is_flag=True, help="Show the version and exit; with --verbose those of all libraries, too.")
@click.option("-v", "--verbose", count=True, help="Say each step on stderr; twice: what was decided, too.")
@click.pass_context
def cli(context: click.Context, *, version: bool, verbose: int) -> None:
    """InSAR time series from stacks of interferograms, from a laptop to a cluster."""
    if version:
        _show_version(full=verbose > 0)
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())
    elif verbose:
        from insarray.cli.process import show_log

        show_log(debug=verbose > 1)


def _show_version(*, full: bool) -> None:
    if not full:
        click.echo(f"insarray, version {__version__}")
        return
    from insarray.versions import show_versions

    show_versions()


@cli.command()
@click.argument("folder", default="insarray-demo", type=click.Path(file_okay=False))
@click.option("--seed", default=0, show_default=True, help="Seed of the simulation.")
def demo(folder: str, seed: int) -> None:
    """Simulate a stack with known truth in FOLDER, run the whole chain on it and show the error."""
    from insarray.cli.demo import run_demo

    run_demo(folder, seed)


@cli.command()
@click.argument("files", nargs=-1, required=True)
@reading
@click.option("--plot", "picture", metavar="PATH", help="Draw the network into a file (.png, .pdf, .svg).")
@block_option
@json_option
def info(files: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Say what FILES (a folder, a pattern, files or a table) are: dates, network, grid, what is valid, warnings.

    A folder of a product, such as HyP3, LiCSAR or MintPy, is recognised and needs no option.
    """
    from insarray.cli import stack_commands

    stack_commands.info(files, as_json=as_json, **options)


@cli.command()
@click.argument("files", nargs=-1, required=True)
@reading
@selecting
@masking
@reference_option
@correction_option
@click.option(
    "--loops",
    default="triplets",
    show_default=True,
    metavar="KIND",
    help="triplets | fundamental | N: all of up to N pairs that no pair cuts short.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.05,
    show_default=True,
    metavar="F",
    help="Share of non-zero integer closures from which a loop is unclosed.",
)
@click.option("--plot", "picture", metavar="PATH", help="Draw network and map into a file (.png, .pdf, .svg).")
@block_option
@run_options
@json_option
def closure(files: tuple[str, ...], **options: Any) -> None:
    """Check the loops of the interferograms FILES for unwrapping errors; say which pairs and loops to doubt.

    FILES is a folder, a pattern, files, or a table (CSV) of one product. If another argument follows that ends in
    .zarr, it is the store to which closure phases, integer closures and their maps are written; run the same command
    again to finish an interrupted run.
    """
    from insarray.cli import stack_commands

    stack_commands.closure(files, **options)


@cli.command()
@click.argument("files", nargs=-1, required=True)
@reading
@selecting
@correction_option
@robust_options
@weight_options
@masking
@reference_option
@click.option(
    "--gap",
    type=click.Choice(["nan", "subset", "nsbas", "min_norm"]),
    default="nan",
    show_default=True,
    help="Dates that no pair ties to the first one: leave out, keep as pieces, or tie by an assumption.",
)
@minimum_options
@append_option
@block_option
@run_options
@json_option
def invert(files: tuple[str, ...], **options: Any) -> None:
    """Invert the interferograms FILES into the displacement series and velocity OUT (the last argument), a Zarr store.

    FILES is a folder, a pattern, files, or a table (CSV) of one product (dolphin, FLATSIM, GMTSAR, HyP3, ISCE2,
    LiCSAR, MintPy, PyGMTSAR, SNAP, or rasters with both dates in their names). Run the same command again to finish an
    interrupted run, and with --append when there are new interferograms.
    """
    from insarray.cli import stack_commands

    stack_commands.invert(files, **options)


@cli.command()
@click.argument("files", nargs=-1, required=True)
@reading
@json_option
def residuals(files: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """List the pairs of FILES that agree least with the stored series (the last argument), the worst first."""
    from insarray.cli import stack_commands

    stack_commands.residuals(files, as_json=as_json, **options)


@cli.command()
@click.argument("files", nargs=-1, required=True)
@time_options
@fit_options
@minimum_options
@quality_criteria
@geometry_options
@reading
@selecting
@correction_option
@weight_options
@masking
@reference_option
@block_option
@run_options
@json_option
def fit(files: tuple[str, ...], **options: Any) -> None:
    """Fit time functions and write them, with their standard errors, to a store (Zarr), the last argument.

    FILES is a stored series, or interferograms as for invert: then no inversion is needed, and gaps in the network do
    not matter. Run the same command again to finish an interrupted run.
    """
    from insarray.cli import series_commands

    series_commands.fit(files, **options)


@cli.command()
@click.argument("series")
@click.argument("model")
@click.argument("out")
@click.option("--term", "terms", multiple=True, help="annual, step_20190706, height_error, ...; default: all motion.")
@geometry_options
@run_options
@json_option
def remove(series: str, model: str, out: str, **options: Any) -> None:
    """Take terms of the fitted MODEL out of the stored SERIES, into OUT (Zarr)."""
    from insarray.cli import series_commands

    series_commands.remove(series, model, out, **options)


@cli.command()
@click.argument("series")
@click.argument("out")
@click.option("--date", help="Date at which the displacement is to be zero.")
@click.option("--reference", metavar="WHERE", help="ROW,COL | ROW:ROW,COL:COL (area) | lonlat:LON,LAT")
@run_options
@json_option
def rereference(series: str, out: str, **options: Any) -> None:
    """Give the stored SERIES another reference date, place, or both, and write it to OUT (Zarr)."""
    from insarray.cli import series_commands

    series_commands.rereference(series, out, **options)


@cli.command()
@click.argument("first")
@click.argument("second")
@click.argument("out")
@run_options
@json_option
def join(first: str, second: str, out: str, **options: Any) -> None:
    """Join the stored series FIRST and SECOND, tied by the dates they have in common, and write them to OUT (Zarr)."""
    from insarray.cli import series_commands

    series_commands.join(first, second, out, **options)


@cli.command()
@click.argument("series")
@click.argument("out")
@click.option(
    "--kind",
    type=click.Choice(
        ["linear", "quadratic", "linear_range", "linear_azimuth", "quadratic_range", "quadratic_azimuth"]
    ),
    default="linear",
    show_default=True,
    help="Surface; range is along the columns, azimuth along the rows.",
)
@click.option("--mask", "mask_raster", metavar="RASTER", help="Fit only where this raster is neither 0 nor no-data.")
@click.option("--robust", is_flag=True, help="Leave aside ground that moves; up to 15 passes over the series.")
@run_options
@json_option
def deramp(series: str, out: str, **options: Any) -> None:
    """Take a surface out of every date of the stored SERIES and write it to OUT (Zarr)."""
    from insarray.cli import series_commands

    series_commands.deramp(series, out, **options)


@cli.command()
@click.argument("files", nargs=-1, required=True)
@reading
@click.option("--layer", metavar="NAME", help="Default: coherence of interferograms, displacement of a series.")
@click.option(
    "--statistic",
    "statistics",
    type=click.Choice(["mean", "median", "std"]),
    multiple=True,
    help="May be repeated; default: mean.",
)
@block_option
@run_options
@json_option
def average(files: tuple[str, ...], **options: Any) -> None:
    """Average a layer of the interferograms FILES, or of a stored series, into maps OUT (the last argument), a Zarr store.

    With --layer connected_component_labels: in how many pairs of each date the unwrapping reached the pixel.
    """
    from insarray.cli import series_commands

    series_commands.average(files, **options)


@cli.command(cls=SeveralCommand)
@click.argument("stack")
@click.argument("out", type=click.Path(file_okay=False))
@wrapped_options
@point_options
@link_options
@block_option
@click.option("--restart", is_flag=True, help="Delete OUT, if it is ours, and start over.")
@json_option
def links(stack: str, out: str, **options: Any) -> None:
    """Velocity and height error of the points of a wrapped STACK, from links between them, into the folder OUT.

    STACK is a folder of wrapped interferograms or SLCs against one date, an HDF5 file, or a Zarr store. OUT holds
    points.zarr, links.zarr, and maps: velocity_mm_yr.tif (positive toward the satellite), dem_error_m.tif,
    link_model_coherence.tif. The same command again leaves them as they are.
    """
    from insarray.cli import link_commands

    link_commands.links(stack, out, **options)


@cli.command()
@click.argument("store")
@click.argument("path", type=click.Path(dir_okay=False))
@click.option("--variable", help="What to export to a GeoTIFF; default: the name of PATH.")
@quality_options
@click.option("--overwrite", is_flag=True, help="Replace PATH.")
def export(store: str, path: str, variable: str | None, overwrite: bool, **quality: Any) -> None:
    """Write a variable of STORE to a cloud-optimised GeoTIFF (PATH ends in .tif), or all of it to NetCDF (.nc)."""
    from insarray.cli import stack_commands

    stack_commands.export(store, path, variable, overwrite=overwrite, **quality)


@cli.command()
@click.argument("store")
@click.option("--verify", is_flag=True, help="Read everything back and compare with the checksums.")
@click.option(
    "--discard-damaged",
    is_flag=True,
    help="Verify, and forget damaged blocks: the command that made STORE redoes them.",
)
@json_option
def status(store: str, verify: bool, discard_damaged: bool, as_json: bool) -> None:
    """Say how far STORE is, of which job, and whether it is intact."""
    from insarray.cli import stack_commands

    stack_commands.status(store, verify=verify, discard_damaged=discard_damaged, as_json=as_json)


@cli.command()
@click.argument("what", type=click.Choice(["network", "closure", "velocity", "map", "multiples", "point", "points"]))
@click.argument("store")
@click.argument("path", type=click.Path(dir_okay=False))
@click.option(
    "--variable", help="For map: which variable; for multiples: default displacement; for points: default velocity."
)
@click.option("--date", help="For map and points: which date; default: the last.")
@click.option("--row", type=int, help="For point.")
@click.option("--col", type=int, help="For point.")
@click.option("--lon", type=float, help="For point, WGS 84 degrees.")
@click.option("--lat", type=float, help="For point, WGS 84 degrees.")
@quality_options
def plot(what: str, store: str, path: str, **options: Any) -> None:
    """Draw STORE into PATH (.png): network, closure, velocity, any map or small multiples, the history of a point, points."""
    from insarray.cli import stack_commands

    stack_commands.plot(what, store, path, **options)


@cli.command()
@click.argument("store")
@click.argument("path", type=click.Path(dir_okay=False))
@click.option("--title", help="Heading of the page; default: the name of STORE.")
@quality_options
@click.option("--overwrite", is_flag=True, help="Replace PATH.")
def report(store: str, path: str, title: str | None, overwrite: bool, **quality: Any) -> None:
    """Write a page (.html) about STORE: how it was made, what came out, what to doubt, histories at a click.

    STORE is the output of invert, of fit, or of what turns a series into another. The page is one file that needs no
    network.
    """
    from insarray.cli import stack_commands

    stack_commands.report(store, path, title, overwrite=overwrite, **quality)
