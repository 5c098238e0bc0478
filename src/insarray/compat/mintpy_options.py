"""Options of the ``insarray mintpy`` commands, spelled as MintPy spells them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from insarray.cli.typed import Several

Command = TypeVar("Command", bound=Callable[..., Any])


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


def all_of(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Decorator of a command that has all of the options, in their order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Words(Several):
    """One or more words behind an option."""

    name = "words"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Words of a text."""
        return value if isinstance(value, tuple) else tuple(str(value).split())


class Numbers(Words):
    """One or more numbers behind an option."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Numbers of a text."""
        try:
            return tuple(float(word) for word in super().convert(value, param, ctx))
        except ValueError:
            self.fail(f"{value!r} is not one number or more", param, ctx)


template_option = click.option(
    "-t",
    "--template",
    "templates",
    multiple=True,
    metavar="FILE",
    help="MintPy's smallbaselineApp.cfg or a text file of that form; may be repeated, the last one counts.",
)

writing_options = all_of(
    click.option(
        "--nodata",
        type=click.Choice(["nan", "zero"]),
        default="nan",
        show_default=True,
        help="Value where there is none; zero as MintPy writes it, for those of its tools that fail on NaN.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace files that exist."),
)
"""How files are written."""

running_options = all_of(
    writing_options,
    click.option(
        "--workers",
        "--num-worker",
        type=click.IntRange(min=1),
        metavar="N",
        help="Blocks at a time; default: processors.",
    ),
    json_option,
)
"""How files are computed."""

inversion_options = all_of(
    template_option,
    click.option(
        "-i", "-d", "--dset", "variable", metavar="NAME", help="unwrapPhase (default), unwrapPhase_bridging, ..."
    ),
    click.option(
        "-w", "--weight-func", "weights", type=click.Choice(["var", "fim", "coh", "no"]), help="Default: var."
    ),
    click.option(
        *("--mask-dset", "--mask-dataset", "--md", "mask_dataset"),
        type=click.Choice(["coherence", "connectComponent", "no"]),
        help="What samples are masked by; default: no.",
    ),
    click.option(
        *("--mask-thres", "--mask-threshold", "--mt", "mask_threshold"),
        type=click.FloatRange(0, 1),
        metavar="G",
        help="Least coherence, if masked by it; default: 0.4.",
    ),
    click.option("--min-norm-phase", is_flag=True, help="With --gap min_norm: least phase instead of least velocity."),
    click.option(
        *("--min-redun", "--min-redundancy", "--mr", "min_redundancy"),
        type=click.FloatRange(min=0),
        metavar="N",
        help="Fewest pairs of a date; default: 1.",
    ),
    click.option("-m", "--water-mask", "water_mask", metavar="FILE", help="Pixels that are 0 in it are left out."),
    click.option(
        *("-o", "--output", "output"),
        nargs=3,
        default=("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5"),
        show_default=True,
        metavar="TS_FILE TCOH_FILE NUM_INV_FILE",
        help="Files to write.",
    ),
    click.option("--skip-reference", "--skip-ref", is_flag=True, help="The stack is referenced already."),
    click.option(
        "--gap",
        type=click.Choice(["nan", "subset", "nsbas", "min_norm"]),
        default="nan",
        show_default=True,
        help="Dates that no pair ties to the first; min_norm is MintPy's answer.",
    ),
    click.option("--norm", type=click.Choice(["l2", "l1", "huber"]), default="l2", show_default=True),
    running_options,
)
"""What ``invert`` takes."""

_excluded = click.option(
    "--ex", "--ex-date", "--exclude", "exclude", type=Words(), default=(), metavar="DATE...", help="Or a file of dates."
)
_periods = click.option(
    *("--periodic", "--period", "--peri", "periods"),
    type=Numbers(),
    default=(),
    metavar="YEARS...",
    help="1 is annual.",
)


def _dates(*names: str, help_: str) -> Any:
    return click.option(*names, type=Words(), default=(), metavar="DATE...", help=help_)


velocity_options = all_of(
    template_option,
    click.option("-o", "--output", default="velocity.h5", show_default=True, metavar="FILE"),
    click.option("-s", "--start-date", "start", metavar="DATE", help="From this date on."),
    click.option("-e", "--end-date", "end", metavar="DATE", help="Up to this date."),
    _excluded,
    click.option(
        *("--poly", "--polynomial", "--poly-order", "degree"),
        type=click.IntRange(0, 3),
        metavar="N",
        help="Degree of the polynomial; default: 1.",
    ),
    _periods,
    _dates("--step", "--step-date", "steps", help_="Jumps."),
    _dates("--polyline", "polylines", help_="Changes of the velocity."),
    click.option(
        *("--exp", "--exponential", "exponentials"),
        type=Words(),
        multiple=True,
        metavar="DATE DAYS...",
        help="Exponential relaxation; may be repeated.",
    ),
    click.option(
        *("--log", "--logarithmic", "logarithms"),
        type=Words(),
        multiple=True,
        metavar="DATE DAYS...",
        help="Logarithmic relaxation; may be repeated.",
    ),
    click.option(
        *("--uq", "--uncertainty", "uncertainty"),
        type=click.Choice(["residue", "bootstrap"]),
        help="Standard errors by the residuals (default) or by drawing again.",
    ),
    click.option(
        *("--bc", "--bootstrap-count", "samples"), type=click.IntRange(min=2), metavar="N", help="Default: 400."
    ),
    running_options,
)
"""What ``velocity`` takes."""

dem_error_options = all_of(
    template_option,
    click.option(
        "-g", "--geometry", required=True, metavar="FILE", help="Slant range, incidence angle, perhaps bperp."
    ),
    click.option("-o", "--outfile", "output", metavar="FILE", help="Corrected series; default: ..._demErr.h5."),
    click.option(
        "--dem-err-file", "--dem-error-file", "dem_error_file", default="demErr.h5", show_default=True, metavar="FILE"
    ),
    _excluded,
    click.option(
        "-p", "--poly-order", "degree", type=click.IntRange(0, 3), metavar="N", help="Of the polynomial; default: 2."
    ),
    _dates("-s", "--step-date", "steps", help_="Jumps."),
    _periods,
    running_options,
)
"""What ``dem-error`` takes."""
