"""How a command brings a store up to date: the reference it keeps, what would be done, what was done."""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import xarray as xr

from insarray.cli.compute import print_plan
from insarray.engine.plan import plan_run
from insarray.engine.run.append import Appended, Change, append, find_change
from insarray.engine.store.swap import finish_swap
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import ArgumentError, ReferencePointError
from insarray.model.place import Place
from insarray.products.views.stacks import as_series
from insarray.progress import progress_bar


def stored_reference(out: str, options: dict[str, Any]) -> Place | None:
    """Reference of the store at `out`, which "auto" keeps; None if there is none, or the user says which."""
    if options["restart"]:
        raise ArgumentError("--restart: starts over, --append goes on; leave one of them out")
    finish_swap(out)
    store = Store(out)
    if options["reference"] != "auto" or not store.files.exists() or not store.is_complete():
        return None
    return as_series(open_store(out)).place


@contextmanager
def reference_of_store(out: str, reference: Place | None) -> Iterator[None]:
    """Say of an error of the reference that it is the store's, if it is."""
    try:
        yield
    except ReferencePointError as error:
        if reference is None:
            raise
        raise ReferencePointError(
            f"{error}; it is the reference of {out}, which --append keeps: leave out the pairs or masks that lack it, or "
            "start over with --restart and another --reference"
        ) from error


def append_into(dataset: xr.Dataset, out: str, options: dict[str, Any]) -> None:
    """Bring a store up to date and say what was done, or what would be."""
    as_json, workers = options["as_json"], options["workers"]
    if options["dry_run"]:
        _foretell(dataset, out, options)
        return
    started = time.perf_counter()
    with progress_bar(quiet=as_json) as progress:
        report = append(
            dataset,
            out,
            scheduler=options["scheduler"],
            workers=workers,
            block_timeout=options["block_timeout"],
            progress=progress,
            command="insarray " + shlex.join(sys.argv[1:]),
        )
    seconds = time.perf_counter() - started
    reference = {k: v for k, v in dataset.attrs.items() if k in ("reference_row", "reference_col", "reference_area")}
    if as_json:
        click.echo(json.dumps({**report._asdict(), "seconds": round(seconds, 3), **reference}))
        return
    where = ", ".join(f"{name[10:]} {value}" for name, value in reference.items())
    click.echo(f"{out}: {_account(report)} in {seconds:.1f} s" + (f"; reference {where}" if where else ""))


def _account(report: Appended) -> str:
    counts = f"{report.computed} of {report.blocks} blocks computed"
    if not report.new_pairs and report.reason is None:
        return f"nothing to add, {counts}" if not report.computed else counts
    return f"{_added(report.new_pairs, report.new_dates)}, {counts}{_because(report.reason)}"


def _added(pairs: int, dates: int) -> str:
    return f"{pairs} new pairs, {dates} new dates"


def _because(reason: str | None) -> str:
    return "" if reason is None else f" ({reason})"


def _foretell(dataset: xr.Dataset, out: str, options: dict[str, Any]) -> None:
    if not Store(out).files.exists():
        print_plan(plan_run(dataset, options["workers"] or os.cpu_count() or 1), out, as_json=options["as_json"])
        return
    change: Change = find_change(dataset, out, options["workers"])
    computed = change.blocks - len(change.kept)
    if options["as_json"]:
        told = {"blocks": change.blocks, "computed": computed, "kept": len(change.kept), "reason": change.reason}
        click.echo(json.dumps({**told, "new_pairs": len(change.pairs), "new_dates": change.dates}))
        return
    click.echo(
        f"{out}: {_added(len(change.pairs), change.dates)}, {computed} of {change.blocks} blocks to compute"
        f"{_because(change.reason)} (dry run: nothing was written)"
    )
