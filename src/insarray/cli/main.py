"""Commands of the command line and their options; slow imports are deferred to the functions that they run."""

import click

from insarray._version import __version__
from insarray.cli import options as group
from insarray.cli import output_options as output
from insarray.cli.commands import Sections
from insarray.cli.say import echo
from insarray.cli.typed import Options, argument, flag, option
from insarray.model import choices


@click.pass_context
def _before(context: click.Context, *, version: bool, verbose: int) -> None:
    if version:
        _show_version(full=verbose > 0)
    elif context.invoked_subcommand is None:
        echo(context.get_help())
    elif verbose:
        from insarray.cli.process import show_log

        show_log(debug=verbose > 1)


def _show_version(*, full: bool) -> None:
    if not full:
        echo(f"insarray, version {__version__}")
        return
    from insarray.versions import show_versions

    show_versions()


cli = Sections(
    "insarray",
    "insarray.cli",
    help="InSAR time series from stacks of interferograms, from a laptop to a cluster.",
    sections=("Start", "Open", "Invert", "Quality", "Model", "Components", "Points", "Export", "Peers"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    invoke_without_command=True,
    callback=_before,
    params=[
        click.Option(["--version"], is_flag=True, help="Show the version; with --verbose those of all libraries, too."),
        click.Option(["-v", "--verbose"], count=True, help="Print each step to stderr; twice: what was decided, too."),
    ],
)


@cli.typed("Start", "demo.run_demo")
class Demo(Options):
    """Simulate a stack, invert it and compare with the truth.

    FOLDER must be empty or not exist.
    """

    folder: str = argument("FOLDER", "insarray-demo")
    seed: int = option("Seed of the simulation.", 0)


@cli.typed("Start", "warming.compile_kernels")
class Compile(Options):
    """Compile all kernels ahead of the first job.

    Each kernel is otherwise compiled when it is first needed, which makes first commands slow. What is compiled is kept
    for this user and version, in NUMBA_CACHE_DIR if that is set. Meant for containers and for the nodes of a cluster.
    """

    workers: int | None = option("Processes; default: number of processors.", None, "N", limits=(1, None))


@cli.typed("Start", "recipe_template.print_config")
class Config(Options):
    """Print a configuration for insarray run with every option.

    Write it to a file and edit that: insarray config > config.yaml
    """

    schema: bool = flag("Print the JSON schema of the file instead, for editors that check YAML.")


@cli.typed("Start", "recipe.run")
class Run(Options):
    """Run all steps of a configuration file (YAML).

    The whole file is checked before anything starts. The same command again continues an interrupted run.
    """

    config: str = argument("CONFIG")
    dry_run: bool = flag("Check everything and print the commands; compute nothing.")
    restart: bool = flag("Delete the stores of an earlier run of CONFIG and start over.")


@cli.typed("Open", "stack_commands.info")
class Info(group.Reading, group.Output):
    """Print dates, network, grid and warnings of interferograms.

    FILES is a folder, a pattern, files, or a table (CSV) of one product. A folder of a product, such as HyP3, LiCSAR or
    MintPy, is recognised and needs no option; docs/how_to/open_your_files.md says what each is recognised by. A table of
    points, such as EGMS', is described, too.
    """

    files: tuple[str, ...] = argument("FILES")
    plot: str | None = option("Plot the network to a file (.png, .pdf, .svg).", None, "PATH")


@cli.typed("Invert", "stack_commands.invert")
class Invert(group.Pairs, group.Inverting, group.Weighting, group.Minimum, group.Storing):
    """Invert interferograms for displacement series and velocity.

    FILES is a folder, a pattern, files, or a table (CSV) of one product (dolphin, FLATSIM, GMTSAR, HyP3, ISCE2, LiCSAR,
    MintPy, PyGMTSAR, SNAP, or rasters with both dates in their names). OUT is a Zarr store. Run the same command again
    to finish an interrupted run, and with --append when there are new interferograms.
    """

    append: bool = flag("Add new pairs to the store; compute only what they can change.")


@cli.typed("Quality", "stack_commands.closure")
class Closure(group.Pairs, group.Running):
    """Find pairs with unwrapping errors by the closure of loops.

    FILES is a folder, a pattern, files, or a table (CSV) of one product. If another argument follows that ends in
    .zarr, it is the store to which closure phases, integer closures and their maps are written; run the same command
    again to finish an interrupted run.
    """

    loops: str = option("triplets | fundamental | N: all of up to N pairs without a shorter way", "triplets", "KIND")
    threshold: float = option(
        "Share of pixels with a non-zero integer closure above which a loop counts as not closed.", 0.05, "F"
    )
    plot: str | None = option("Plot network and map to a file (.png, .pdf, .svg).", None, "PATH")


@cli.typed("Quality", "stack_commands.residuals")
class Residuals(group.Reading, group.Output):
    """List the pairs that agree least with a series.

    FILES are the interferograms, STORE is the output of insarray invert. The worst pairs come first.
    """

    files: tuple[str, ...] = argument("FILES")
    store: str = argument("STORE")


@cli.typed("Quality", "series_commands.average")
class Average(group.Reading, group.Storing):
    """Average a layer over its pairs or dates.

    FILES are interferograms or a stored series. OUT is a Zarr store. With --layer connected_component_labels: in how
    many pairs of each date the unwrapping reached the pixel.
    """

    files: tuple[str, ...] = argument("FILES")
    layer: str | None = option("Default: coherence of interferograms, displacement of a series.", None, "NAME")
    statistic: tuple[choices.Average, ...] = option("Statistics; default: mean.", ())


@cli.typed("Quality", "stack_commands.status")
class Status(group.Output):
    """Print the progress of a store and check its blocks."""

    store: str = argument("STORE")
    verify: bool = flag("Read everything back and compare with the checksums.")
    discard_damaged: bool = flag("Verify, and discard damaged blocks: the command that made STORE computes them again.")


@cli.typed("Model", "series_commands.fit")
class Fit(
    group.Terms,
    group.Fitting,
    group.Minimum,
    group.Criteria,
    group.GeometryFile,
    group.Pairs,
    group.Weighting,
    group.Storing,
):
    """Fit time functions to a series or to interferograms.

    FILES is a stored series, or interferograms as for invert: then no inversion is needed, and gaps in the network do
    not matter. OUT is a Zarr store, with the terms and their standard errors. Run the same command again to finish an
    interrupted run.
    """

    start: str | None = option("Fit from this date on.", None, "DATE")
    end: str | None = option("Fit up to this date.", None, "DATE")


@cli.typed("Model", "series_commands.remove")
class Remove(group.GeometryFile, group.Storing):
    """Subtract terms of a fitted model from a series.

    SERIES and MODEL are stores; OUT is a new one (Zarr).
    """

    series: str = argument("SERIES")
    model: str = argument("STORE")
    terms: tuple[str, ...] = option(
        "annual, step_20190706, height_error, ...; default: all motion.", (), "NAME", was="term"
    )


@cli.typed("Model", "correction_commands.correct")
class Correct(group.Corrections, group.CorrectionGeometry, group.CorrectionDetails, group.Reading, group.Storing):
    """Subtract troposphere, tides and ionosphere, each once.

    FILES is a stored series, or interferograms. OUT is a Zarr store of the same kind, ready for invert or fit, that holds
    each correction, too. --dem are the heights at which delays are read.
    """

    files: tuple[str, ...] = argument("FILES")


@cli.typed("Model", "series_commands.deramp")
class Deramp(group.Storing):
    """Subtract a ramp from every date of a series.

    SERIES is a store; OUT is a new one (Zarr).
    """

    series: str = argument("SERIES")
    kind: choices.Ramp = option("Surface; range is along the columns, azimuth along the rows.", "linear")
    mask: str | None = option("Fit only where this raster is neither 0 nor without data.", None, "RASTER")
    robust: bool = flag("Reduce the influence of ground that moves; up to 15 passes over the series.")


@cli.typed("Model", "series_commands.rereference")
class Rereference(group.Storing):
    """Change the reference date or place of a series.

    SERIES is a store; OUT is a new one (Zarr).
    """

    series: str = argument("SERIES")
    date: str | None = option("Date at which the displacement is to be zero.", None, "DATE")
    reference: str | None = option("ROW,COL | ROW:ROW,COL:COL (area) | lonlat:LON,LAT", None, "WHERE")


@cli.typed("Model", "series_commands.join")
class Join(group.Storing):
    """Join two series by the dates they have in common.

    FIRST and SECOND are stores; OUT is a new one (Zarr).
    """

    first: str = argument("FIRST")
    second: str = argument("SECOND")


@cli.typed("Components", "component_commands.decompose")
class Decompose(group.Decomposing, group.Sight, group.Storing):
    """Estimate east and up motion of several tracks.

    FILES are the outputs of insarray fit or invert, one of each track, of one place. OUT is a Zarr store. What is
    assumed of the motion to the north must be said; with one orbit direction alone nothing is determined.
    """

    files: tuple[str, ...] = argument("FILES")
    north: choices.North | None = option("zero: there is none | gnss: that of --gnss | free: it is estimated, too.")
    gnss: str | None = option("Maps velocity_north, velocity_north_std (NetCDF or store).", None, "FILE")
    like: str | None = option("Store whose pixels the result has; default: the first.", None, "STORE")
    noise: tuple[float, ...] = option(
        "Noise of each velocity (m/year) or date (m) besides its own; one for all, or one per track.", (), "M"
    )
    knots: float | None = option("Of series: days from knot to knot; default: by the dates.", None, "DAYS", above=0)


@cli.typed("Components", "component_commands.compare")
class Gnss(group.Comparing, group.Sight, group.Output):
    """Compare a series with GNSS stations.

    STORE is the output of insarray invert. FILES is a file, folder or .zip of daily positions of stations (tenv3, txyz2,
    pos, csv).
    """

    store: str = argument("STORE")
    stations: str = argument("FILES")
    plot: str | None = option("Draw panels of the stations to a file (.png, .pdf, .svg).", None, "PATH")


@cli.typed("Components", "component_commands.tie")
class Tie(group.Tying, group.Sight, group.Storing):
    """Tie a velocity or a series to GNSS.

    STORE is the output of insarray fit or invert. FILES is a file, folder or .zip of stations (MIDAS, tenv3, csv), or maps
    velocity_east, velocity_north, velocity_up (NetCDF or store). OUT is a Zarr store.
    """

    store: str = argument("STORE")
    gnss: str = argument("FILES")


@cli.typed("Components", "component_commands.frame")
class Frame(group.Framing, group.Sight, group.Storing):
    """Remove the motion of a plate.

    STORE is the output of insarray fit, invert or decompose. OUT is a Zarr store.
    """

    store: str = argument("STORE")
    pole: str | None = option(
        "Instead of a plate: a pole, degrees and degrees per million years.", None, "LAT,LON,RATE"
    )


@cli.typed("Points", "link_commands.links")
class Links(group.ReadingWrapped, group.Geometry, group.Points, group.Arcs, group.Ranges, group.Output):
    """Estimate velocity and height error (DEM error) of points.

    STACK is a folder of wrapped interferograms or SLCs against one date, an HDF5 file, or a Zarr store. The points are
    connected by arcs (links). The folder OUT gets points.zarr, links.zarr, and maps: velocity_mm_yr.tif (positive
    toward the satellite), dem_error_m.tif, link_model_coherence.tif. If it is there already, made with the same
    settings, nothing is done.
    """

    stack: str = argument("STACK")
    out: str = argument("OUT")
    refine: bool = flag("Estimate each point once more against those around it.", default=True)
    unwrap: bool = flag("Unwrap the phases of the points by their model, too; needs OR-tools.")
    reference: str = option("Point of velocity 0: none (mean of all) | ROW,COL | lonlat:LON,LAT", "none", "WHERE")
    dry_run: bool = flag("Print points, links and peak memory; compute nothing.")
    restart: bool = flag("Delete OUT, if it is an output of this command, and start over.")


@cli.typed("Points", "unwrap_command.unwrap")
class Unwrap(group.ReadingWrapped, group.Geometry, group.Unwrapping, group.Tiling, group.Storing):
    """Unwrap a wrapped stack in tiles, by the model of its points.

    STACK is a folder of wrapped interferograms or SLCs against one date, an HDF5 file, or a Zarr store. OUT is a Zarr
    store, a stack for insarray invert; the tiles are kept beside it (.tiles.zarr) and may be removed afterwards. Run the
    same command again to finish an interrupted run. Needs OR-tools.
    """

    stack: str = argument("STACK")


@cli.typed("Export", "output_commands.export")
class Export(output.Parts, group.Quality, output.Replacing):
    """Write a GeoTIFF, NetCDF, or a table for GIS.

    PATH ends in .tif for a cloud-optimised GeoTIFF of a variable, in .nc for NetCDF of all. As a table, with a row for each
    pixel or point and a column for each date, it ends in .csv, .parquet (GeoParquet), .gpkg (GeoPackage), .geojson, .fgb
    (FlatGeobuf), .shp or .kmz.
    """

    store: str = argument("STORE")
    path: str = argument("PATH")
    variable: str | None = option("Variable to write; default for a GeoTIFF: the name of PATH.", None, "NAME")


@cli.typed("Export", "output_commands.timeseries")
class Timeseries(group.Places, group.Quality, output.Replacing):
    """Write the series of places or polygons, with standard errors.

    STORE is a stored series, of an image or of points. A table has a line for each place and date; without --out it is
    printed. Of polygons it has mean, median and percentiles.
    """

    store: str = argument("STORE")
    out: str | None = option("Where to write: .csv, or .nc (NetCDF).", None, "PATH", names=("-o", "--out"))


@cli.typed("Export", "output_commands.plot")
class Plot(output.Drawing, group.Quality):
    """Plot networks, maps, points, profiles and comparisons.

    WHAT is one of network, closure, velocity, map (of any variable), multiples (several dates), point (time series of
    a point), points, profile (along a line), compare (with the store --with). PATH ends in .png, .pdf or .svg.
    """

    what: choices.Picture = argument("WHAT")
    store: str = argument("STORE")
    path: str = argument("PATH")


@cli.typed("Export", "output_commands.report")
class Report(group.Quality, output.Replacing):
    """Write an HTML report with maps, checks and time series.

    STORE is the output of invert, of fit, or of what turns a series into another. The page is one file that needs no
    network.
    """

    store: str = argument("STORE")
    path: str = argument("PATH")
    title: str | None = option("Heading of the page; default: the name of STORE.", None, "TEXT")


@cli.typed("Export", "view_command.view")
class View(output.Viewing):
    """Show results in the browser: maps, series, profiles.

    STORE is a result, of an image or of points. The page is seen on this machine only, and ends with Ctrl-C.
    """

    stores: tuple[str, ...] = argument("STORE")
