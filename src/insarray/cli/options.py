"""Options that several commands share."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class Several(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Value of several words; how many of those behind the option is the type's business."""

    def count(self, words: Sequence[str]) -> int:
        """How many of the words behind the option belong to it: up to the next option."""
        return next((k for k, word in enumerate(words) if word.startswith("-")), len(words))


class Range(Several):
    """Least and greatest value, and perhaps a step."""

    name = "range"

    def count(self, words: Sequence[str]) -> int:
        """Up to three numbers, which may be negative."""
        return _numbers(words[:3])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Two or three numbers from one word; what they may be is the library's business, but for their number."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(float(word) for word in str(value).split())
        except ValueError:
            numbers = ()
        if len(numbers) not in (2, 3):
            self.fail(f"{value!r} is not MIN MAX, or MIN MAX STEP", param, ctx)
        return numbers


class SeveralCommand(click.Command):
    """Command with options of type `Several`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Make one word of those behind such an option."""
        several = {name: p.type for p in self.params if isinstance(p.type, Several) for name in p.opts}
        joined: list[str] = []
        rest = list(args)
        while rest:
            joined.append(rest.pop(0))
            if joined[-1] in several and (count := several[joined[-1]].count(rest)):
                joined.append(" ".join(rest[:count]))
                del rest[:count]
        return super().parse_args(ctx, joined)


def _numbers(words: Sequence[str]) -> int:
    """How many of the first words are numbers."""
    for count, word in enumerate(words):
        try:
            float(word)
        except ValueError:
            return count
    return len(words)


def all_of(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Decorator of a command that has all of the options, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


area_option = click.option(
    "--area",
    metavar="WHERE",
    help="Only this part: W,S,E,N (degrees) | LEFT,BOTTOM,RIGHT,TOP@EPSG:CODE | rows:ROW:ROW,COL:COL | vector file.",
)

reading = all_of(
    click.option("--coherence", metavar="GLOB", help="Coherence files, matched to the phase by date pair."),
    click.option("--components", metavar="GLOB", help="Connected component files, matched by date pair."),
    click.option("--baselines", metavar="CSV", help="Table date,bperp_m or reference,secondary,bperp_m; metres."),
    click.option("--wavelength", type=float, metavar="M", help="Radar wavelength in metres."),
    click.option("--product", metavar="NAME", help="Reader to use instead of recognising the files."),
    click.option("--sign", type=click.Choice(["away", "toward"]), help="What a positive value means."),
    click.option("--units", type=click.Choice(["radian", "metre", "millimetre"]), help="Unit of the files."),
    click.option("--nodata", type=float, help="No-data value of the phase, if the files do not say."),
    click.option("--dates", metavar="REGEX", help="Pattern with two groups that finds the dates in the names."),
    click.option("--variable", metavar="NAME", help="Variable of a NetCDF file."),
    click.option(
        "--extent", type=click.Choice(["intersection", "union"]), help="Pixels of files that cover different ones."
    ),
    click.option("--resample", is_flag=True, help="Warp files of another CRS or pixel size while reading."),
    click.option("--dem", metavar="RASTER", help="Heights at which geometry cubes (ARIA, NISAR) are interpolated."),
    area_option,
)
"""What `insarray.open_stack` takes."""

selecting = all_of(
    click.option("--max-temporal-baseline", type=float, metavar="DAYS", help="Leave out longer pairs."),
    click.option("--max-perpendicular-baseline", type=float, metavar="M", help="Leave out pairs further apart."),
    click.option("--max-neighbours", type=int, metavar="N", help="Keep pairs to the next N dates."),
    click.option("--exclude-date", "exclude_dates", multiple=True, metavar="DATE", help="May be repeated."),
    click.option("--exclude-pair", "exclude_pairs", multiple=True, metavar="PAIR", help="May be repeated."),
    click.option(
        "--min-mean-coherence",
        type=float,
        metavar="G",
        help="Leave out pairs of lower mean coherence, but keep a tree.",
    ),
)
"""What `insarray.select_pairs` takes."""

correction_option = click.option(
    "--correct-unwrapping",
    type=click.Choice(["pixel", "component", "bridging"]),
    multiple=True,
    help="Add whole cycles found by closure (per pixel or component) or over bridges; may be repeated, in this order.",
)

mask_option = click.option(
    "--mask", "mask_raster", metavar="RASTER", help="Mask pixels where this raster is 0 or has no data."
)

masking = all_of(
    click.option("--min-coherence", type=float, metavar="G", help="Mask samples below this coherence."),
    click.option("--mask-components", is_flag=True, help="Mask samples of connected component 0."),
    mask_option,
)
"""What `insarray.mask` takes."""

_min_dates = click.option("--min-dates", type=int, metavar="N", help="Only pixels observed at this many dates.")

quality_criteria = all_of(
    click.option(
        "--min-temporal-coherence", type=float, metavar="G", help="Only pixels of at least this temporal coherence."
    ),
    click.option("--max-residual-rms", type=float, metavar="RAD", help="Only pixels of at most this residual rms."),
    click.option(
        "--exclude-flag",
        "exclude_flags",
        multiple=True,
        metavar="NAME",
        help="Not pixels with this flag, such as dates_untied; may be repeated.",
    ),
)
"""Criteria of `insarray.quality_mask` for a stored result, without those that `insarray fit` has already."""

quality_options = all_of(_min_dates, quality_criteria, mask_option)
"""What `insarray.quality_mask` takes."""

minimum_options = all_of(
    click.option(
        "--min-dates",
        type=int,
        metavar="N",
        help="Fit only pixels observed at this many dates; default: a third of the dates, at least 5 (or half of them).",
    ),
    click.option(
        "--min-redundancy",
        type=int,
        metavar="N",
        help="Fit only pixels with this many degrees of freedom; default: 3 (or a third of those of a complete pixel).",
    ),
)
"""Fewest observations with which `insarray.fit` gives terms."""

reference_option = click.option(
    "--reference",
    default="auto",
    show_default=True,
    metavar="WHERE",
    help="auto | none | ROW,COL | ROW:ROW,COL:COL (area) | lonlat:LON,LAT",
)

robust_options = all_of(
    click.option(
        "--norm",
        type=click.Choice(["l2", "l1", "huber"]),
        default="l2",
        show_default=True,
        help="Least squares; least absolute deviations, which leave wrong cycles aside; or both by size (Huber).",
    ),
    click.option("--tolerance", type=float, help="l1, huber: certified relative gap to the optimum; 0.001."),
    click.option("--max-iterations", type=int, metavar="N", help="l1, huber: steps after which to give up; 100, 500."),
    click.option("--threshold", type=float, help="huber: where large residuals begin, in multiples of scale; 1.345."),
    click.option("--rho", type=float, help="l1: ADMM as published with this penalty instead; 0.4."),
    click.option("--alpha", type=float, help="l1: ADMM as published with this relaxation; 1."),
    click.option("--iterations", type=int, metavar="N", help="l1: ADMM as published with N steps; 20."),
)
"""Norm of `insarray.invert` and its settings."""

time_options = all_of(
    click.option(
        "--degree", type=int, default=1, show_default=True, help="Of the polynomial: 1 is the velocity alone."
    ),
    click.option(
        "--period", "periods", type=float, multiple=True, metavar="YEARS", help="1 is annual; may be repeated."
    ),
    click.option("--step", "steps", multiple=True, metavar="DATE", help="Jump at an event; may be repeated."),
    click.option("--velocity-change", "velocity_changes", multiple=True, metavar="DATE", help="May be repeated."),
    click.option(
        "--exponential", "exponentials", multiple=True, metavar="DATE,DAYS", help="Relaxation after an event."
    ),
    click.option("--logarithm", "logarithms", multiple=True, metavar="DATE,DAYS", help="Relaxation after an event."),
)
"""Terms of `insarray.fit`."""

geometry_options = all_of(
    click.option(
        "--geometry",
        metavar="FILE",
        help="Baselines, slant range and incidence angle per pixel (NetCDF, MintPy geometry*.h5, store).",
    ),
    click.option("--slant-range", type=float, metavar="M", help="One for the image."),
    click.option("--incidence", "incidence_angle", type=float, metavar="DEG", help="One for the image."),
)
"""What the height error needs."""

fit_options = all_of(
    click.option("--height-error", is_flag=True, help="Fit the height error, too; needs baselines and geometry."),
    click.option("--start", metavar="DATE", help="Fit from this date on."),
    click.option("--end", metavar="DATE", help="Fit up to this date."),
    click.option(
        "--uncertainty",
        type=click.Choice(["residuals", "covariance", "bootstrap"]),
        default="residuals",
        show_default=True,
        help="Standard errors by the scatter about the fit, from the covariance of the data, or by drawing again.",
    ),
    click.option("--samples", type=click.IntRange(min=2), default=400, show_default=True, help="Of the bootstrap."),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap."),
    click.option("--residuals", is_flag=True, help="Write what the functions leave of each date or pair, too."),
)
"""How `insarray.fit` fits, apart from its terms."""

weight_options = all_of(
    click.option(
        "--weights",
        type=click.Choice(["none", "coherence", "variance", "fisher"]),
        default="none",
        show_default=True,
        help="How pairs are weighted, per pixel.",
    ),
    click.option("--looks", type=float, help="Independent looks of the coherence, for variance and fisher."),
)
"""Weights of pairs."""

block_option = click.option("--block", type=click.IntRange(min=8), metavar="N", help="Edge of the blocks in pixels.")

run_options = all_of(
    click.option(
        "--scheduler",
        default="threads",
        show_default=True,
        metavar="WHO",
        help="threads | local (processes) | address of a Dask scheduler",
    ),
    click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Blocks at a time; default: processors."),
    click.option(
        "--block-timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=3600.0,
        show_default=True,
        metavar="SECONDS",
        help="A block that takes longer is tried once more, then listed as failed.",
    ),
    click.option("--dry-run", is_flag=True, help="Say what would be done: blocks, bytes, peak memory."),
    click.option("--restart", is_flag=True, help="Delete the store and start over."),
)
"""How a store is computed."""

append_option = click.option(
    "--append", is_flag=True, help="Bring the store up to date with new pairs; compute only what they can change."
)

link_options = all_of(
    click.option(
        "--velocity-range",
        type=Range(),
        default=(-60.0, 60.0),
        metavar="MIN MAX [STEP]",
        help="Velocity differences of links, mm/yr; -60 60. STEP: of --method published.",
    ),
    click.option(
        "--height-error-range",
        type=Range(),
        metavar="MIN MAX [STEP]",
        help="Height error differences, m; -60 60 where there are baselines, else there is no height error.",
    ),
    click.option(
        "--network",
        type=click.Choice(["delaunay", "nearest", "both"]),
        default="both",
        show_default=True,
        help="Which points are linked.",
    ),
    click.option(
        "--neighbours",
        type=click.IntRange(min=1),
        default=16,
        show_default=True,
        metavar="N",
        help="Nearest points that each is linked to.",
    ),
    click.option("--max-length", type=click.FloatRange(min=0, min_open=True), metavar="M", help="Longest link."),
    click.option(
        "--method",
        type=click.Choice(["insarray", "published"]),
        default="insarray",
        show_default=True,
        help="published: dense grid, links weighted by coherence, for comparison.",
    ),
    click.option(
        "--refine/--no-refine",
        default=True,
        show_default=True,
        help="Estimate each point once more against those around it.",
    ),
    click.option("--unwrap", is_flag=True, help="Unwrap the phases of the points by their model, too."),
    click.option(
        "--reference",
        default="none",
        show_default=True,
        metavar="WHERE",
        help="Point of velocity 0: none (mean of all) | ROW,COL | lonlat:LON,LAT",
    ),
)
"""How links are estimated and what becomes of them."""

point_options = all_of(
    click.option("--temporal-coherence", type=click.FloatRange(0, 1), metavar="G", help="Points of at least this."),
    click.option("--amplitude-dispersion", type=click.FloatRange(0, 1), metavar="D", help="Points of at most this."),
    click.option("--mask", "mask_raster", metavar="RASTER", help="Only where this raster is neither 0 nor no-data."),
)
"""What `insarray.select_points` takes."""

wrapped_options = all_of(
    click.option("--baseline-csv", metavar="CSV", help="Perpendicular baselines: table date,bperp_m."),
    click.option("--wavelength", type=float, metavar="M", help="Radar wavelength in metres."),
    click.option("--slant-range", type=float, metavar="M", help="One for the image."),
    click.option("--incidence", "incidence_angle", type=float, metavar="DEG", help="From the vertical, one for all."),
    click.option("--temporal-coherence-file", metavar="RASTER", help="Default: the one in the folder."),
    click.option("--amplitude-dispersion-file", metavar="RASTER", help="Default: the one in the folder."),
    click.option("--sign", type=click.Choice(["away", "toward"]), help="What a positive phase means."),
    click.option("--nodata", type=float, help="No-data value of the phase, if the files do not say."),
    click.option("--dates", metavar="REGEX", help="Pattern that finds the dates in the names."),
    click.option("--variable", metavar="NAME", help="Dataset of an HDF5 file."),
    area_option,
)
"""What `insarray.open_wrapped` takes, and the geometry."""

json_option = click.option("--json", "as_json", is_flag=True, help="For machines.")
