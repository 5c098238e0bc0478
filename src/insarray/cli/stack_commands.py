"""Commands on interferograms and stores: info, invert, closure, residuals, status."""

import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import xarray as xr

from insarray.cli.append import append_into, reference_of_store, stored_reference
from insarray.cli.closure_text import closure_report, closure_text
from insarray.cli.compute import compiled_kernels, print_stored, refuse_input_as_output, run_into, save_plot, store_into
from insarray.cli.inputs import corrected, open_files, open_masked
from insarray.cli.options import Executing, Inverting, Minimum, Reading, Running, Weighting
from insarray.cli.say import echo
from insarray.cli.stacks_and_series import Closure, Info, Invert, Residuals, Status
from insarray.cli.typed import dashed
from insarray.cli.values import parse_reference
from insarray.engine.open import open as open_result
from insarray.engine.store.zarr_store import Store, open_store
from insarray.io.readers.point_tables import is_point_table
from insarray.model.conventions import FLAGS
from insarray.model.errors import ArgumentError, StackWarning
from insarray.model.loops import LoopKind
from insarray.model.text import one_line
from insarray.products.series.inversion import invert as invert_stack
from insarray.products.series.residuals import pair_misfit
from insarray.products.stacks.closure import closure as close_stack
from insarray.products.stacks.closure import closure_summary
from insarray.products.stacks.selection import select_pairs
from insarray.products.stacks.unwrapping import add_cycles, correction_account
from insarray.products.summary import describe, describe_points
from insarray.products.timefit.fit import fit as fit_series
from insarray.products.views.stacks import Phase

_CYCLES = ("unwrapping_cycles", "unwrapping_flag")


def info(options: Info) -> None:
    """Print the summary of a stack and plot its network, or print the summary of a table of points."""
    if len(options.files) == 1 and is_point_table(options.files[0]):
        _print_summary(_points_summary(options), options)
        return
    with warnings.catch_warnings(category=StackWarning, action="ignore"):  # included in the printed summary
        stack = open_files(options.files, options)
    summary = describe(stack, os.cpu_count() or 1)
    if options.plot is not None:
        from insarray import plot as draw

        save_plot(draw.network(stack), options.plot, stack, options.baselines)
    _print_summary(summary, options)
    if options.plot is not None and not options.json:
        echo(f"{options.plot}: written")


def _points_summary(options: Info) -> dict[str, Any]:
    """Return the summary of a table of points, which has none of the options of interferograms."""
    given = [*options.given(Reading), *(["plot"] if options.plot is not None else [])]
    if given:
        raise ArgumentError(
            f"{given[0]}: applies to interferograms, but {options.files[0]} is a table of points; leave it out"
        )
    return describe_points(open_result(options.files[0]))


def _print_summary(summary: dict[str, Any], options: Info) -> None:
    if options.json:
        echo(json.dumps(summary))
        return
    remarks = [("note", text) for text in summary.pop("notes")] + [
        ("warning", text) for text in summary.pop("warnings")
    ]
    for name, value in summary.items():
        echo(f"{name.replace('_', ' '):28s} {one_line(_text(value))}")
    for kind, text in remarks:
        echo(f"{kind}: {one_line(text)}")


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list | tuple):
        return " ".join(f"{v:.7g}" if isinstance(v, float) else str(v) for v in value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def invert(options: Invert) -> None:
    """Open, select, mask, invert, fit and run."""
    kernels = {"l1": "invert, L1", "huber": "invert, Huber"}.get(
        options.norm, "invert" if options.weights == "none" else "invert, weighted"
    )
    with compiled_kernels(options, kernels, "fit") as wait:
        results = series_of(options)
        wait()
        compute_series(results, options)


def series_of(options: Invert) -> xr.Dataset:
    """Return the series and velocity of a command lazily."""
    refuse_input_as_output(options.files, options.out)
    stack, kept = open_masked(options), stored_reference(options)
    reference = kept or parse_reference(options.reference)
    with reference_of_store(options.out, kept):
        stack, phase = corrected(stack, options, reference)
        series = invert_stack(stack, phase=phase, reference=reference, **options.keywords(Inverting, Weighting))
    results = series.merge(fit_series(series, **options.keywords(Minimum)), combine_attrs="override")
    return results.assign({name: stack[name] for name in _CYCLES}) if phase == "corrected_phase" else results


def compute_series(results: xr.Dataset, options: Invert) -> None:
    """Compute the result of `series_of`, and print the report of the run."""
    (append_into if options.append else run_into)(results, options)
    if options.correct_unwrapping and not (options.json or options.dry_run):
        account = correction_account(open_store(options.out))
        pixels = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in account.pixels.items() if count)
        echo(
            f"cycles added to {100 * account.samples:.2f} % of the samples, in {len(account.pairs)} pairs; pixels: {pixels}"
        )


def closure(options: Closure) -> None:
    """Open, select, mask, close the loops, optionally into a store; print the table and plot it."""
    *files, last = options.files
    out = last if files and last.rstrip("/").endswith(".zarr") else None
    if out is not None:
        options = replace(options, files=tuple(files))
    else:
        _refuse_settings_of_a_store(options)
    with compiled_kernels(options, "closure and corrections") as wait:
        loops = loops_of(options, out)
        wait()
        compute_closure(loops, options, out)


def loops_of(options: Closure, out: str | None = None) -> xr.Dataset:
    """Return the loop closures of a command lazily."""
    if out is not None:
        refuse_input_as_output(options.files, out)
    if options.plot is not None:
        from insarray import plot as draw

        draw.figures.require_format(options.plot)
    reference = parse_reference(options.reference)
    stack, phase = corrected(open_masked(options), options, reference)
    return close_stack(stack, loops=_loop_kind(options.loops), phase=phase, reference=reference)


def compute_closure(loops: xr.Dataset, options: Closure, out: str | None = None) -> None:
    """Compute the result of `loops_of`, print the table and plot it."""
    stored = None
    if out is not None:
        stored = store_into(loops, out, options)
        if stored is None:
            return
        loops = open_store(out)
    drawn = options.plot is not None
    table = closure_summary(loops, threshold=options.threshold, maps=drawn, workers=options.workers)
    if options.plot is not None:
        from insarray import plot as draw

        save_plot(draw.closure(table), options.plot, loops, *options.files, out, options.baselines)
    report = closure_report(table)
    if options.json:
        echo(json.dumps(report if stored is None else {**report, "store": stored}))
        return
    if out is not None and stored is not None:
        print_stored(stored, out, options.reference)
    echo(closure_text(report))
    if options.plot is not None:
        echo(f"{options.plot}: written")


def _refuse_settings_of_a_store(options: Closure) -> None:
    for name in options.given(Executing, Running):
        if name not in ("workers", "json"):
            raise ArgumentError(f"--{dashed(name)}: nothing is stored; give an output, OUT.zarr")


def _loop_kind(text: str) -> LoopKind:
    return int(text) if text.isdecimal() else cast("LoopKind", text)


def residuals(options: Residuals) -> None:
    """Print the pairs by their fraction of wrong pixels."""
    series = open_result(options.store)
    stack = open_files(options.files, options)
    kept = series.insar.network
    stack = select_pairs(
        stack, exclude_pairs=[label for label in stack.insar.network.labels if label not in kept.labels]
    )
    phase: Phase = "unwrapped_phase"
    if "unwrapping_cycles" in series:
        phase = "corrected_phase"
        stack = add_cycles(stack, series.unwrapping_cycles)
    rows = pair_misfit(stack, series, phase=phase)
    if options.json:
        echo(json.dumps([row._asdict() for row in rows]))
        return
    echo(f"{'pair':17s} {'pixels':>9s} {'rms (rad)':>9s} {'wrong by a cycle':>16s}")
    for row in rows[:20]:
        echo(f"{row.pair:17s} {row.pixels:9d} {row.rms:9.3f} {100 * row.wrong:14.2f} %")
    if len(rows) > 20:
        echo(f"and {len(rows) - 20} more with smaller residuals")


def status(options: Status) -> None:
    """Print progress, statistics and damage of a store."""
    url, store = options.store, Store(options.store)
    job = store.required_job()
    discarded = []
    if options.discard_damaged:
        discarded = sorted(damaged := store.damage())
        if damaged:
            store.discard(damaged)
            job = store.job() or job
    report = store.report()
    done, blocks = 0 if report is None else report["blocks"], len(job["rows"]) * len(job["cols"])
    result = {
        "url": url,
        "state": "complete" if job["state"] == "complete" and done == blocks else "unfinished",
        "blocks_done": done,
        "blocks": blocks,
        "fingerprint": job["fingerprint"],
    }
    if options.discard_damaged:
        result["blocks_discarded"] = discarded
    elif options.verify:
        result["blocks_verified"] = store.verify()
    if options.json:
        echo(json.dumps({**result, "report": report, "options": job["options"], "command": job["command"]}))
        return
    echo(f"{url}: {result['state']}, {done} of {blocks} blocks done, job {result['fingerprint'][:12]}")
    for line in _numbers(report):
        echo(line)
    lock = store.left_lock()
    if lock is not None:
        echo(f"locked by a run that is writing, or was killed: if it was, remove {lock}")
    if discarded:
        echo(
            f"discarded because they were damaged: {', '.join(map(str, discarded))}; repeat the command that made the store"
        )
    elif options.discard_damaged:
        echo("nothing is damaged")
    elif options.verify:
        echo(f"{result['blocks_verified']} blocks read back, all identical to what was written")


def _numbers(report: dict[str, Any] | None) -> Iterator[str]:
    """Yield the statistics of the blocks as lines."""
    if report is None:
        return
    valid = report["valid_pixels"] / report["pixels"]
    yield (
        f"{report['pixels']} pixels, {100 * valid:.1f} % valid; {report['bytes'] / 1e6:.1f} MB before compression; "
        f"{report['seconds']:.1f} s of work"
    )
    means = ", ".join(f"{name} {mean:.4g}" for name, mean in report["means"].items() if mean is not None)
    if means:
        yield f"mean: {means}"
    for name, counts in report["counts"].items():
        yield f"{name}: {', '.join(f'{_meaning(name, value)} {number}' for value, number in counts.items())}"


def _meaning(flag: str, value: str) -> str:
    """Return the meaning of a flag value, or the value itself if it has none."""
    meanings = FLAGS.get(flag, ())
    return meanings[int(value)].replace("_", " ") if int(value) < len(meanings) else value
