"""``insarray mintpy``: commands of MintPy with its option names; slow imports are deferred to the commands."""

from collections.abc import Sequence
from typing import Any, Literal

import click

from insarray.cli.commands import Sections
from insarray.cli.typed import Options, Several, argument, flag, option
from insarray.model.choices import Gap, Norm
from insarray.model.numbers import plain_number

mintpy = Sections(
    "mintpy",
    "insarray.compat",
    ("Commands",),
    help="Run MintPy's commands on MintPy's files.",
)


class Words(Several):
    """Words after an option, up to `most` of them."""

    name = "words"

    def __init__(self, most: int | None = None) -> None:
        self.most = most

    def count(self, words: Sequence[str]) -> int:
        """Count the words up to the next option."""
        return super().count(words[: self.most])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Split a text into words."""
        words = value if isinstance(value, tuple) else tuple(str(value).split())
        if self.most not in (None, len(words)):
            self.fail(f"{value!r} is not {self.most} words", param, ctx)
        return words


class Numbers(Words):
    """One or more numbers after an option, which may be negative."""

    name = "numbers"

    def count(self, words: Sequence[str]) -> int:
        """Count the numbers up to the next option."""
        found = (k for k, word in enumerate(words) if word.startswith("-") and not word[1:2].isdigit())
        return min(next(found, len(words)), len(words) if self.most is None else self.most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Convert the words of a text to numbers."""
        try:
            return tuple(plain_number(word) for word in super().convert(value, param, ctx))
        except ValueError:
            self.fail(f"{value!r} is not one number or more", param, ctx)


class Templates(Options):
    """Settings of a file."""

    templates: tuple[str, ...] = option(
        "MintPy's smallbaselineApp.cfg or a text file of that form; the last one counts.", (), "FILE",
        names=("-t", "--template"),
    )  # fmt: skip


class Writing(Options):
    """Files."""

    nodata: Literal["nan", "zero"] = option("Value of no data; zero as MintPy writes it.", "nan")
    overwrite: bool = flag("Replace files that exist.")
    json: bool = flag("Print JSON.")


class Running(Writing):
    """Files."""

    workers: int | None = option(
        "Blocks at a time; default: number of processors.", None, "N", limits=(1, None),
        names=("--workers", "--num-worker"),
    )  # fmt: skip


class Resources(Options):
    """Without effect here."""

    ram: float | None = option(
        "Memory follows from the size of the blocks.", None, "GB", names=("--memory", "--max-memory", "--ram")
    )
    cluster: str | None = option(
        "Blocks are computed by threads; on a cluster by insarray invert --scheduler.", None, "NAME",
        names=("-c", "--cluster-type", "--cluster"),
    )  # fmt: skip
    config: str | None = option("Of a cluster.", None, "NAME", names=("--config-name", "--config"))


class Updating(Resources, Running):
    """Files."""

    update: bool = flag("Do nothing if the outputs are there, made by this program of these inputs with these options.")


class TimeFunctions(Options):
    """Time functions."""

    exclude: tuple[str, ...] = option(
        "Dates, or a file of dates.", (), "DATE...", kind=Words(), names=("--ex", "--ex-date", "--exclude")
    )
    periods: tuple[float, ...] = option(
        "1 is annual.", (), "YEARS...", kind=Numbers(), names=("--periodic", "--period", "--peri")
    )
    steps: tuple[str, ...] = option("Offsets.", (), "DATE...", kind=Words(), names=("--step", "--step-date"))


@mintpy.typed("Commands", "mintpy.commands.invert")
class Invert(Templates, Updating):
    """Invert ifgramStack.h5, as ifgram_inversion.py.

    It writes timeseries.h5, temporalCoherence.h5 and numInvIfgram.h5, and beside the second maskTempCoh.h5: pixels of
    temporal coherence 0.7 or more (minTempCoh of the template) that are not in shadow. Run the same command again to finish an interrupted
    run.
    """

    stack: str = argument("IFGRAM_STACK")
    variable: str | None = option(
        "unwrapPhase (default), unwrapPhase_bridging, ...", None, "NAME", names=("-i", "-d", "--dset")
    )
    weights: Literal["var", "fim", "coh", "no"] | None = option("Default: var.", names=("-w", "--weight-func"))
    mask_dataset: Literal["coherence", "connectComponent", "no"] | None = option(
        "What samples are masked by; default: no.", names=("--mask-dset", "--mask-dataset", "--md")
    )
    mask_threshold: float | None = option(
        "Least coherence, if masked by it; default: 0.4.", None, "G", limits=(0, 1),
        names=("--mask-thres", "--mask-threshold", "--mt"),
    )  # fmt: skip
    min_norm_phase: bool = flag("With --gap min_norm: least phase instead of least velocity.")
    min_redundancy: float | None = option(
        "Fewest pairs of a date; default: 1.", None, "N", limits=(0, None),
        names=("--min-redun", "--min-redundancy", "--mr"),
    )  # fmt: skip
    water_mask: str | None = option("Pixels that are 0 in it are left out.", None, "FILE", names=("-m", "--water-mask"))
    output: tuple[str, ...] = option(
        "Files to write.", ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5"),
        "TS_FILE TCOH_FILE NUM_INV_FILE", kind=Words(3), names=("-o", "--output"),
    )  # fmt: skip
    ref_date: str | None = option(
        "Date at which the series is zero; default: the first.", None, "DATE", names=("--ref-date",)
    )
    calc_cov: bool = flag("Write the covariance of the dates from the coherence, timeseriesDecorCov.h5, too.")
    skip_reference: bool = flag("The stack is referenced already.", names=("--skip-reference", "--skip-ref"))
    gap: Gap = option("Dates that no pair ties to the first; min_norm is MintPy's answer.", "nan")
    norm: Norm = option("What is minimised.", "l2")


@mintpy.typed("Commands", "mintpy.commands.velocity")
class Velocity(Templates, TimeFunctions, Updating):
    """Fit time functions to timeseries.h5, as timeseries2velocity.py."""

    series: str = argument("TIMESERIES")
    output: str = option("File to write.", "velocity.h5", "FILE", names=("-o", "--output"))
    start: str | None = option("From this date on.", None, "DATE", names=("-s", "--start-date"))
    end: str | None = option("Up to this date.", None, "DATE", names=("-e", "--end-date"))
    degree: int | None = option(
        "Degree of the polynomial; default: 1.",
        None,
        "N",
        limits=(0, 3),
        names=("--poly", "--polynomial", "--poly-order"),
    )
    polylines: tuple[str, ...] = option("Changes of the velocity.", (), "DATE...", kind=Words(), names=("--polyline",))
    exponentials: tuple[tuple[str, ...], ...] = option(
        "Exponential relaxation.", (), "DATE DAYS...", kind=Words(), names=("--exp", "--exponential")
    )
    logarithms: tuple[tuple[str, ...], ...] = option(
        "Logarithmic relaxation.", (), "DATE DAYS...", kind=Words(), names=("--log", "--logarithmic")
    )
    uncertainty: Literal["residue", "covariance", "bootstrap"] | None = option(
        "Standard errors from the residuals (default), from --ts-cov, or by bootstrap.", names=("--uq", "--uncertainty")
    )
    covariance: str | None = option(
        "Covariance of the dates: timeseriesDecorCov.h5.", None, "FILE", names=("--ts-cov", "--ts-cov-file")
    )
    ref_date: str | None = option("Refer the series to this date first.", None, "DATE", names=("--ref-date",))
    ref_lalo: tuple[float, ...] | None = option(
        "Refer the series to this point first.", None, "LAT LON", kind=Numbers(2), names=("--ref-lalo",)
    )
    ref_yx: tuple[float, ...] | None = option(
        "Refer the series to this pixel first.", None, "Y X", kind=Numbers(2), names=("--ref-yx",)
    )
    save_residual: bool = flag("Write the series without the time functions, too.", names=("--save-res",))
    residual_file: str = option("File of these residuals.", "timeseriesResidual.h5", "FILE", names=("--res-file",))
    removed: tuple[str, ...] = option(
        "Functions removed in the residuals: all, polynomial (with the constant), periodic, step, polyline, exp, log.",
        ("all",), "NAME...", kind=Words(), names=("--rm-timefun",),
    )  # fmt: skip
    samples: int | None = option("Default: 400.", None, "N", limits=(2, None), names=("--bc", "--bootstrap-count"))


@mintpy.typed("Commands", "mintpy.commands.dem_error")
class DemError(Templates, TimeFunctions, Updating):
    """Estimate the DEM error and subtract it from the series, as dem_error.py."""

    series: str = argument("TIMESERIES")
    geometry: str | None = option(
        "Slant range, incidence angle, perhaps bperp; default: those of the centre, by the attributes of the series.",
        None, "FILE", names=("-g", "--geometry"),
    )  # fmt: skip
    output: str | None = option("Corrected series; default: ..._demErr.h5.", None, "FILE", names=("-o", "--outfile"))
    dem_error_file: str = option(
        "File of the DEM error.", "demErr.h5", "FILE", names=("--dem-err-file", "--dem-error-file")
    )
    degree: int | None = option(
        "Degree of the polynomial; default: 2.", None, "N", limits=(0, 3), names=("-p", "--poly-order")
    )
    steps: tuple[str, ...] = option("Offsets.", (), "DATE...", kind=Words(), names=("-s", "--step-date"))
    phase_velocity: bool = flag("Fit the velocities between dates instead of the displacement.")


@mintpy.typed("Commands", "mintpy.commands.export")
class Export(Writing):
    """Write a store, a series or a fit, as MintPy's files into FOLDER."""

    store: str = argument("STORE")
    folder: str = argument("FOLDER")
    attrs: str | None = option("MintPy's file whose attributes to keep, such as ifgramStack.h5.", None, "FILE")
