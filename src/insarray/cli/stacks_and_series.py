"""Commands of stacks and series, and their options; slow imports are deferred to the functions that they run."""

from insarray.cli import options as group
from insarray.cli.program import cli
from insarray.cli.typed import Options, argument, flag, option
from insarray.model import choices


@cli.typed("Start", "demo.run_demo")
class Demo(Options):
    """Simulate a stack, invert it and compare with the truth.

    FOLDER must be empty or not exist.
    """

    folder: str = argument("FOLDER", "insarray-demo")
    seed: int = option("Seed of the simulation.", 0)


@cli.typed("Start", "warming.compile_kernels")
class Compile(Options):
    """Compile all kernels before the first job.

    Otherwise each kernel is compiled when it is first needed, which makes the first commands slow. Compiled kernels are
    stored for this user and version, in NUMBA_CACHE_DIR if that is set. Useful for containers and nodes of a cluster.
    """

    workers: int | None = option("Processes; default: number of processors.", None, "N", limits=(1, None))


@cli.typed("Start", "recipe_template.print_config")
class Config(Options):
    """Print a configuration for insarray run with every option.

    Write it to a file and edit it: insarray config > config.yaml
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
    MintPy, is recognised and needs no option; see docs/how_to/open_your_files.md. Tables of points, such as those of
    EGMS, are described, too.
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

    append: bool = flag("Add new pairs to the store; recompute only the affected blocks.")


@cli.typed("Quality", "stack_commands.closure")
class Closure(group.Pairs, group.Running):
    """Find pairs with unwrapping errors by the closure of loops.

    FILES is a folder, a pattern, files, or a table (CSV) of one product. If the last argument ends in .zarr, closure
    phases, integer closures and their maps are written to this store; run the same command again to finish an
    interrupted run.
    """

    loops: str = option("triplets | fundamental | N: all loops of up to N pairs without chords", "triplets", "KIND")
    threshold: float = option(
        "Share of pixels with a non-zero integer closure above which a loop counts as not closed.", 0.05, "F"
    )
    plot: str | None = option("Plot network and map to a file (.png, .pdf, .svg).", None, "PATH")


@cli.typed("Quality", "stack_commands.residuals")
class Residuals(group.Reading, group.Output):
    """List the pairs with the largest residuals of a series.

    FILES are the interferograms, STORE is the output of insarray invert. The worst pairs come first.
    """

    files: tuple[str, ...] = argument("FILES")
    store: str = argument("STORE")


@cli.typed("Quality", "series_commands.average")
class Average(group.Reading, group.Storing):
    """Average a layer over its pairs or dates.

    FILES are interferograms or a stored series. OUT is a Zarr store. With --layer connected_component_labels: the number
    of pairs of each date with a non-zero label.
    """

    files: tuple[str, ...] = argument("FILES")
    layer: str | None = option("Default: coherence of interferograms, displacement of a series.", None, "NAME")
    statistic: tuple[choices.Average, ...] = option("Statistics; default: mean.", ())


@cli.typed("Quality", "stack_commands.status")
class Status(group.Output):
    """Print the progress of a store and check its blocks."""

    store: str = argument("STORE")
    verify: bool = flag("Read everything back and compare with the checksums.")
    discard_damaged: bool = flag("Verify, and discard damaged blocks; then run the command of STORE again.")


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

    FILES is a stored series, or interferograms as for invert: these need no inversion, and gaps in the network do not
    matter. OUT is a Zarr store, with the terms and their standard errors. Run the same command again to finish an
    interrupted run.
    """

    start: str | None = option("Fit from this date on.", None, "DATE")
    end: str | None = option("Fit up to this date.", None, "DATE")


@cli.typed("Model", "series_commands.midas")
class Midas(group.Midas, group.Storing):
    """Estimate velocities as MIDAS does for GNSS stations.

    SERIES is a stored series of more than a year. OUT is a Zarr store with the velocity: the median of the slopes of dates
    a year apart, robust against steps, seasons and outliers.
    """

    series: str = argument("SERIES")


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

    FILES is a stored series, or interferograms. OUT is a Zarr store of the same kind, ready for invert or fit, which also
    stores each correction. --dem: heights at which delays are interpolated.
    """

    files: tuple[str, ...] = argument("FILES")


@cli.typed("Model", "series_commands.deramp")
class Deramp(group.Storing):
    """Subtract a ramp from every date of a series.

    SERIES is a store; OUT is a new one (Zarr).
    """

    series: str = argument("SERIES")
    kind: choices.Ramp = option("Surface; range is along the columns, azimuth along the rows.", "linear")
    mask: str | None = option("Fit only where this raster is neither 0 nor no-data.", None, "RASTER")
    robust: bool = flag("Reduce the influence of moving ground; reads the series up to 15 times.")


@cli.typed("Model", "series_commands.rereference")
class Rereference(group.Storing):
    """Change the reference date or place of a series.

    SERIES is a store; OUT is a new one (Zarr).
    """

    series: str = argument("SERIES")
    date: str | None = option("Date of zero displacement.", None, "DATE")
    reference: str | None = option("ROW,COL | ROW:ROW,COL:COL (area) | lonlat:LON,LAT", None, "WHERE")


@cli.typed("Model", "series_commands.join")
class Join(group.Storing):
    """Join two series by the dates they have in common.

    FIRST and SECOND are stores; OUT is a new one (Zarr).
    """

    first: str = argument("FIRST")
    second: str = argument("SECOND")
