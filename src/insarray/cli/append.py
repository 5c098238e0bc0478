"""Run `insarray invert --append`: stored reference, plan and run."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import xarray as xr

from insarray.cli.compute import command_line, print_plan, reference_of, reference_text
from insarray.cli.options import Executing
from insarray.cli.say import echo
from insarray.cli.stacks_and_series import Invert
from insarray.engine.plan import plan_run
from insarray.engine.run.append import Appended, Change, append, find_change
from insarray.engine.store.swap import finish_swap
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import ArgumentError, ReferencePointError
from insarray.model.place import Place
from insarray.products.views.stacks import as_series
from insarray.progress import progress_bar


def stored_reference(options: Invert) -> Place | None:
    """Return the reference of the store, which "auto" keeps; None if there is none, or the user gives one."""
    if not options.append:
        return None
    if options.restart:
        raise ArgumentError("--restart: starts over, --append continues; give only one of them")
    finish_swap(options.out)
    store = Store(options.out)
    if options.reference != "auto" or not store.files.exists() or not store.is_complete():
        return None
    return as_series(open_store(options.out)).place


@contextmanager
def reference_of_store(out: str, reference: Place | None) -> Iterator[None]:
    """Context that adds to errors of the reference that it is that of the store, if it is."""
    try:
        yield
    except ReferencePointError as error:
        if reference is None:
            raise
        raise ReferencePointError(
            f"{error}; it is the reference of {out}, which --append keeps: leave out the pairs or masks that lack it, or "
            "start over with --restart and another --reference"
        ) from error


def append_into(dataset: xr.Dataset, options: Invert) -> None:
    """Add new pairs to a store and print the result, or the plan for a dry run."""
    if options.dry_run:
        _print_change(dataset, options.out, options)
        return
    started = time.perf_counter()
    with progress_bar(quiet=options.json) as progress:
        how = {**options.keywords(Executing), "progress": progress, "command": command_line()}
        report = append(dataset, options.out, **how)
    seconds = time.perf_counter() - started
    if options.json:
        done = {**report._asdict(), "seconds": round(seconds, 3), **reference_of(dataset.attrs)}
        echo(json.dumps(done))
        return
    echo(f"{options.out}: {_account(report)} in {seconds:.1f} s{reference_text(dataset.attrs)}")


def _account(report: Appended) -> str:
    counts = f"{report.computed} of {report.blocks} blocks computed"
    if not report.new_pairs and report.reason is None:
        return f"nothing to add, {counts}" if not report.computed else counts
    return f"{_added(report.new_pairs, report.new_dates)}, {counts}{_because(report.reason)}"


def _added(pairs: int, dates: int) -> str:
    return f"{pairs} new pairs, {dates} new dates"


def _because(reason: str | None) -> str:
    return "" if reason is None else f" ({reason})"


def _print_change(dataset: xr.Dataset, out: str, options: Invert) -> None:
    if not Store(out).files.exists():
        print_plan(plan_run(dataset, options.workers or os.cpu_count() or 1), out, as_json=options.json)
        return
    change: Change = find_change(dataset, out, options.workers)
    computed = change.blocks - len(change.kept)
    if options.json:
        told = {"blocks": change.blocks, "computed": computed, "kept": len(change.kept), "reason": change.reason}
        echo(json.dumps({**told, "new_pairs": len(change.pairs), "new_dates": change.dates}))
        return
    echo(
        f"{out}: {_added(len(change.pairs), change.dates)}, {computed} of {change.blocks} blocks to compute"
        f"{_because(change.reason)} (dry run: nothing was written)"
    )
