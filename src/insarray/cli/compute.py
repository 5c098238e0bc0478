"""Compute the dataset of a command into a store: plan, progress bar, printed result."""

import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import xarray as xr

from insarray.cli.options import Executing, Output, Running, Storing
from insarray.cli.say import echo
from insarray.engine.graph.inputs import refuse_inputs
from insarray.engine.plan import Plan, plan_run
from insarray.engine.run.runner import run
from insarray.model.secrets import shown
from insarray.progress import progress_bar
from insarray.warm_up import compiling

_REFERENCE = ("reference_row", "reference_col", "reference_area")


def run_into(dataset: xr.Dataset, options: Storing) -> None:
    """Compute into the store of a command and print the result."""
    stored = store_into(dataset, options.out, options)
    if stored is not None and options.json:
        echo(json.dumps(stored))
    elif stored is not None:
        print_stored(stored, options.out, getattr(options, "reference", None))


@contextmanager
def compiled_kernels(options: Output | None, *jobs: str) -> Iterator[Callable[[], None]]:
    """Compile the kernels of a command's jobs while it opens and plans; yield a function that waits for them.

    Nothing is compiled for a dry run, nor for the workers of a cluster, which are other machines.
    """
    elsewhere = getattr(options, "scheduler", "threads") not in ("threads", "local")
    with compiling(() if elsewhere or getattr(options, "dry_run", False) else jobs) as wait:

        def wait_aloud() -> None:
            seconds = wait(lambda: echo("compiling kernels, once per installation ...", err=True))
            if seconds:
                echo(f"kernels compiled ({seconds:.0f} s); insarray compile does it ahead", err=True)

        yield wait_aloud


def store_into(dataset: xr.Dataset, out: str, options: Running) -> dict[str, Any] | None:
    """Plan and compute with a progress bar; return the report of the run, or None for a dry run."""
    plan = plan_run(dataset, options.workers or os.cpu_count() or 1)
    if options.dry_run:
        print_plan(plan, out, as_json=options.json)
        return None
    started = time.perf_counter()
    with progress_bar(quiet=options.json) as progress:
        how = {**options.keywords(Executing), "progress": progress, "command": command_line()}
        report = run(dataset, out, resume=not options.restart, **how)
    seconds = time.perf_counter() - started
    pixels = dataset.sizes["y"] * dataset.sizes["x"]
    return {**report._asdict(), "seconds": round(seconds, 3), "pixels": pixels, **_told(dataset.attrs)}


def command_line() -> str:
    """Return the command as typed, without secrets, for the history of the result."""
    return shown("insarray " + shlex.join(sys.argv[1:]))


def reference_of(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the attributes that identify the pixel or area of the reference."""
    return {name: value for name, value in attrs.items() if name in _REFERENCE}


def _told(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name: value for name, value in attrs.items() if name in (*_REFERENCE, "product_reference", "chosen_reference")
    }


def reference_text(attrs: Mapping[Any, Any]) -> str:
    """Return these attributes as text with a leading semicolon; empty without reference."""
    reference = ", ".join(f"{name[10:]} {value}" for name, value in reference_of(attrs).items())
    return f"; reference {reference}" if reference else ""


def print_stored(stored: dict[str, Any], out: str, reference: str | None) -> None:
    """Print the report of `store_into`; `reference` is the option of the command."""
    where = reference_text(stored)
    if reference == "auto":
        own = bool({"product_reference", "chosen_reference"} & set(stored))
        where += " (the product's own)" if own else " (chosen by quality alone: make sure that it is stable ground)"
    computed, blocks, seconds = stored["computed"], stored["blocks"], stored["seconds"]
    echo(f"{out}: {computed} of {blocks} blocks computed in {seconds:.1f} s{where}")


def print_plan(plan: Plan, out: str, *, as_json: bool) -> None:
    """Print the plan of a run."""
    if as_json:
        echo(json.dumps(plan.as_dict()))
        return
    echo(
        f"{out}: {plan.n_blocks} blocks of up to {max(plan.rows)} x {max(plan.cols)} pixels, {plan.workers} at a time; "
        f"{plan.output_bytes / 1e9:.3f} GB of results before compression; peak memory at most "
        f"{plan.peak_bytes / 1e9:.2f} GB per process (dry run: nothing was written)"
    )


def save_plot(picture: Any, path: str, *inputs: Any) -> None:
    """Write a plot to a file, unless that is one of the inputs: datasets, files or None."""
    from insarray import plot

    refuse_inputs(path, *inputs)
    plot.save(picture, path)


def refuse_input_as_output(files: Sequence[str], out: str) -> None:
    """Raise ArgumentError if the output is one of the inputs."""
    refuse_inputs(out, *files)
