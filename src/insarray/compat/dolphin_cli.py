"""``insarray dolphin``: commands of dolphin; slow imports are deferred to the commands."""

from typing import Any

import click

from insarray.cli.say import echo
from insarray.cli.typed import NUMBER, WHOLE


class _ListCommand(click.Command):
    """Command whose multiple options take any number of words; empty options are ``None``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the name of a multiple option before each of its words."""
        names = {name for param in self.params if isinstance(param, click.Option) for name in param.opts}
        lists = {name for param in self.params if getattr(param, "multiple", False) for name in param.opts}
        words: list[str] = []
        rest = list(args)
        while rest:
            name = rest.pop(0)
            if name in names and rest[:1] == ["None"]:
                del rest[0]
            elif name in lists:
                while rest and not rest[0].startswith("--"):
                    words += [name, rest.pop(0)]
            else:
                words.append(name)
        return super().parse_args(ctx, words)


_FILE = "PATH"


@click.group()
def dolphin() -> None:
    """Run dolphin's commands on dolphin's files."""


@dolphin.command(cls=_ListCommand)
@click.option("--unwrapped-paths", multiple=True, required=True, metavar="PATH...", help="Unwrapped phase (rad).")
@click.option("--conncomp-paths", multiple=True, metavar="PATH...", help="Components; samples of label 0 are missing.")
@click.option("--output-dir", required=True, metavar=_FILE, help="Folder of the results.")
@click.option("--quality-file", metavar=_FILE, help="Map of quality, by which the reference is chosen.")
@click.option(
    "--method", type=click.Choice(["L1", "L2"], case_sensitive=False), default="L1", show_default=True,
    help="Least absolute deviations, or least squares.",
)  # fmt: skip
@click.option(
    "--reference-candidate-threshold", type=NUMBER, default=0.95, show_default=True,
    help="Quality above which a pixel may be the reference.",
)  # fmt: skip
@click.option("--run-velocity/--no-run-velocity", default=False, help="Write the velocity, too.")
@click.option("--mask-path", metavar=_FILE, help="Raster whose pixels of 0 are left out; warped to the grid.")
@click.option("--corr-paths", multiple=True, metavar="PATH...", help="Correlation.")
@click.option(
    "--weight-velocity-by-corr/--no-weight-velocity-by-corr", default=False,
    help="Weight the dates of the velocity by their correlation with the first.",
)  # fmt: skip
@click.option("--velocity-file", metavar=_FILE, help="Default: velocity.tif in the folder.")
@click.option(
    "--correlation-threshold", type=NUMBER, default=0.0, show_default=True, help="Samples of less are missing."
)
@click.option("--block-shape", type=WHOLE, nargs=2, default=(256, 256), show_default=True, help="Rows and columns.")
@click.option("--num-threads", type=WHOLE, default=4, show_default=True, help="Blocks at the same time.")
@click.option("--reference-point", type=WHOLE, nargs=2, help="Row and column; default: chosen by quality.")
@click.option("--wavelength", type=NUMBER, help="Metres; with it the series is in metres, else in radians.")
@click.option("--add-overviews/--no-add-overviews", default=True, help="Of series and velocity.")
@click.option("--extra-reference-date", metavar="DATE", help="Later dates are written relative to this one.")
@click.option("--file-date-fmt", default="%Y%m%d", show_default=True, help="Dates in the names.")
@click.option("--overwrite", is_flag=True, help="Replace files of another job.")
def timeseries(**options: Any) -> None:
    """Invert unwrapped interferograms, as dolphin's timeseries.

    Series, residuals and velocity are written to files as dolphin names them. Run the same command again to finish an interrupted run; files that are there are left as they are.
    """
    from insarray.compat.dolphin.workflow import run
    from insarray.model.dates import as_time
    from insarray.progress import progress_bar

    for name in ("conncomp_paths", "corr_paths"):
        options[name] = options[name] or None
    date = options["extra_reference_date"]
    if date is not None:
        options["extra_reference_date"] = as_time(date)
    with progress_bar(quiet=False) as progress:
        series, residuals, reference = run(**options, progress=progress)
    echo(
        f"{options['output_dir']}: {len(series)} dates"
        + (", residuals" if residuals is not None else "; all against the first, nothing to invert")
        + f"; reference row {reference.row}, column {reference.col}"
    )
