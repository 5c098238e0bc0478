"""How a command computes into a store: the plan, a progress bar, what was done."""

import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from typing import Any

import click
import xarray as xr

from insarray.engine.plan import Plan, plan_run
from insarray.engine.run.runner import BLOCK_TIMEOUT, run
from insarray.model.errors import ArgumentError
from insarray.progress import progress_bar

_REFERENCE = ("reference_row", "reference_col", "reference_area")


def run_into(dataset: xr.Dataset, out: str, options: dict[str, Any]) -> None:
    """Compute into a store and say what was done."""
    stored = store_into(dataset, out, options)
    if stored is not None and options["as_json"]:
        click.echo(json.dumps(stored))
    elif stored is not None:
        say(stored, out, options)


def store_into(dataset: xr.Dataset, out: str, options: dict[str, Any]) -> dict[str, Any] | None:
    """Plan and compute with a progress bar; what was done, None after a dry run."""
    as_json, scheduler, workers = options["as_json"], options["scheduler"], options["workers"]
    plan = plan_run(dataset, workers or os.cpu_count() or 1)
    if options["dry_run"]:
        print_plan(plan, out, as_json=as_json)
        return None
    started = time.perf_counter()
    with progress_bar(quiet=as_json) as progress:
        report = run(
            dataset,
            out,
            scheduler=scheduler,
            workers=workers,
            resume=not options["restart"],
            block_timeout=options.get("block_timeout", BLOCK_TIMEOUT),
            progress=progress,
            command="insarray " + shlex.join(sys.argv[1:]),
        )
    seconds = time.perf_counter() - started
    pixels = dataset.sizes["y"] * dataset.sizes["x"]
    reference = {k: v for k, v in dataset.attrs.items() if k in (*_REFERENCE, "product_reference")}
    return {**report._asdict(), "seconds": round(seconds, 3), "pixels": pixels, **reference}


def say(stored: dict[str, Any], out: str, options: dict[str, Any]) -> None:
    """Print what `store_into` has done."""
    reference = {name: stored[name] for name in _REFERENCE if name in stored}
    where = f"; reference {', '.join(f'{k[10:]} {v}' for k, v in reference.items())}" if reference else ""
    if options.get("reference") == "auto":
        own = "product_reference" in stored
        where += " (the product's own)" if own else " (chosen by quality alone: make sure that it is stable ground)"
    computed, blocks, seconds = stored["computed"], stored["blocks"], stored["seconds"]
    click.echo(f"{out}: {computed} of {blocks} blocks computed in {seconds:.1f} s{where}")


def print_plan(plan: Plan, out: str, *, as_json: bool) -> None:
    """Print what a run would do."""
    if as_json:
        click.echo(json.dumps(plan.as_dict()))
        return
    click.echo(
        f"{out}: {plan.n_blocks} blocks of up to {max(plan.rows)} x {max(plan.cols)} pixels, {plan.workers} at a time; "
        f"{plan.output_bytes / 1e9:.3f} GB of results before compression; peak memory at most "
        f"{plan.peak_bytes / 1e9:.2f} GB per process (dry run: nothing was written)"
    )


def refuse_input_as_output(files: Sequence[str], out: str) -> None:
    """Raise ArgumentError if the output is one of the inputs."""
    if any(os.path.abspath(out) == os.path.abspath(file) for file in files):
        raise ArgumentError(f"{out}: is an input; give another output")
