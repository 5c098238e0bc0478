"""What the commands do: options to calls of the library, results to text."""

import json
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import click
import xarray as xr

from insarray.cli.append import append_into, reference_of_store, stored_reference
from insarray.cli.closure_text import closure_report, closure_text
from insarray.cli.compute import refuse_input_as_output, run_into, say, store_into
from insarray.cli.inputs import QUALITY, corrected, mask_of, one_or_many, open_masked
from insarray.cli.values import parse_reference
from insarray.engine.open import open as open_result
from insarray.engine.run.runner import BLOCK_TIMEOUT
from insarray.engine.store.zarr_store import Store, open_store
from insarray.io.open import open_stack
from insarray.model.conventions import FLAGS
from insarray.model.dates import date_index
from insarray.model.errors import ArgumentError, StackWarning
from insarray.model.loops import LoopKind
from insarray.products.series.inversion import invert as invert_stack
from insarray.products.series.residuals import pair_misfit
from insarray.products.stacks.closure import closure as close_stack
from insarray.products.stacks.closure import closure_summary
from insarray.products.stacks.selection import select_pairs
from insarray.products.stacks.unwrapping import add_cycles, correction_account
from insarray.products.summary import describe
from insarray.products.timefit.fit import fit as fit_series
from insarray.products.views.stacks import Phase

_NORM = ("norm", "tolerance", "max_iterations", "threshold", "rho", "alpha", "iterations")


def info(files: Sequence[str], *, as_json: bool, picture: str | None, **options: Any) -> None:
    """Print what a stack is, and draw its network."""
    with warnings.catch_warnings(category=StackWarning, action="ignore"):  # they are among what is printed
        stack = open_stack(one_or_many(files), **options)
    summary = describe(stack, os.cpu_count() or 1)
    if picture is not None:
        from insarray import plot as draw

        draw.save(draw.network(stack), picture)
    if as_json:
        click.echo(json.dumps(summary))
        return
    said = [("note", text) for text in summary.pop("notes")] + [("warning", text) for text in summary.pop("warnings")]
    for name, value in summary.items():
        click.echo(f"{name.replace('_', ' '):28s} {_text(value)}")
    for kind, text in said:
        click.echo(f"{kind}: {text}")
    if picture is not None:
        click.echo(f"{picture}: drawn")


def _text(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list | tuple):
        return " ".join(f"{v:.7g}" if isinstance(v, float) else str(v) for v in value)
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def invert(arguments: Sequence[str], **options: Any) -> None:
    """Open, select, mask, invert, fit and run."""
    if len(arguments) < 2:
        raise ArgumentError("invert: give the interferograms and, last, the output store")
    *files, out = arguments
    refuse_input_as_output(files, out)
    stack = open_masked(files, options)
    reference = parse_reference(options["reference"])
    kept = stored_reference(out, options) if options["append"] else None
    with reference_of_store(out, kept):
        stack, phase = corrected(stack, options, kept or reference)
        series = invert_stack(
            stack,
            phase=phase,
            **{name: options[name] for name in _NORM},
            weights=options["weights"],
            looks=options["looks"],
            reference=kept or reference,
            gap=options["gap"],
        )
    model = fit_series(series, min_dates=options["min_dates"], min_redundancy=options["min_redundancy"])
    results = series.merge(model, combine_attrs="override")
    if phase == "corrected_phase":
        results = results.assign({name: stack[name] for name in ("unwrapping_cycles", "unwrapping_flag")})
    (append_into if options["append"] else run_into)(results, out, options)
    if phase == "corrected_phase" and not (options["as_json"] or options["dry_run"]):
        account = correction_account(open_store(out))
        pixels = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in account.pixels.items() if count)
        click.echo(
            f"cycles added to {100 * account.samples:.2f} % of the samples, in {len(account.pairs)} pairs; pixels: {pixels}"
        )


def closure(arguments: Sequence[str], **options: Any) -> None:
    """Open, select, mask, close the loops; with an output run into it; print the table, and draw it."""
    stores = len(arguments) > 1 and arguments[-1].rstrip("/").endswith(".zarr")
    files, out = (arguments[:-1], arguments[-1]) if stores else (arguments, None)
    picture = options["picture"]
    if out is None:
        for name, unset in (
            ("dry_run", False),
            ("restart", False),
            ("scheduler", "threads"),
            ("block_timeout", BLOCK_TIMEOUT),
        ):
            if options[name] != unset:
                raise ArgumentError(f"--{name.replace('_', '-')}: nothing is stored; give an output, OUT.zarr")
    else:
        refuse_input_as_output(files, out)
    if picture is not None:
        from insarray import plot as draw

        draw.figures.require_format(picture)
    reference = parse_reference(options["reference"])
    stack, phase = corrected(open_masked(files, options), options, reference)
    loops = close_stack(stack, loops=_loop_kind(options["loops"]), phase=phase, reference=reference)
    stored = None
    if out is not None:
        stored = store_into(loops, out, options)
        if stored is None:
            return
        loops = open_store(out)
    table = closure_summary(loops, threshold=options["threshold"], maps=picture is not None, workers=options["workers"])
    if picture is not None:
        draw.save(draw.closure(table), picture)
    report = closure_report(table)
    if options["as_json"]:
        click.echo(json.dumps(report if stored is None else {**report, "store": stored}))
        return
    if out is not None and stored is not None:
        say(stored, out, options)
    click.echo(closure_text(report))
    if picture is not None:
        click.echo(f"{picture}: drawn")


def _loop_kind(text: str) -> LoopKind:
    return int(text) if text.isdecimal() else cast("LoopKind", text)


def residuals(arguments: Sequence[str], *, as_json: bool, **options: Any) -> None:
    """Print the pairs by how often they are wrong."""
    if len(arguments) < 2:
        raise ArgumentError("residuals: give the interferograms and, last, the store of their series")
    *files, store = arguments
    series = open_result(store)
    stack = open_stack(one_or_many(files), **options)
    kept = series.insar.network
    stack = select_pairs(
        stack, exclude_pairs=[label for label in stack.insar.network.labels if label not in kept.labels]
    )
    phase: Phase = "unwrapped_phase"
    if "unwrapping_cycles" in series:
        phase = "corrected_phase"
        stack = add_cycles(stack, series.unwrapping_cycles)
    rows = pair_misfit(stack, series, phase=phase)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows]))
        return
    click.echo(f"{'pair':17s} {'pixels':>9s} {'rms (rad)':>9s} {'wrong by a cycle':>16s}")
    for row in rows[:20]:
        click.echo(f"{row.pair:17s} {row.pixels:9d} {row.rms:9.3f} {100 * row.wrong:14.2f} %")
    if len(rows) > 20:
        click.echo(f"and {len(rows) - 20} more that agree better")


def export(store: str, path: str, variable: str | None, *, overwrite: bool, **quality: Any) -> None:
    """Write a GeoTIFF or NetCDF file."""
    from insarray.export.rasters import to_cog, to_netcdf

    dataset, suffix = open_result(store), Path(path).suffix.lower()
    good = mask_of(dataset, quality)
    if suffix == ".nc":
        if variable is not None:
            dataset = dataset[[_known(dataset, variable, store)]]
        to_netcdf(dataset, path, mask=good, overwrite=overwrite)
    elif suffix in (".tif", ".tiff"):
        name = _known(dataset, variable or Path(path).stem, store)
        to_cog(dataset[name], path, attrs=dataset.attrs, mask=good, overwrite=overwrite)
    else:
        raise ArgumentError(f"{path}: ends in {suffix!r}; use .tif for a GeoTIFF or .nc for NetCDF")
    click.echo(f"{path}: written")


def report(store: str, path: str, title: str | None, *, overwrite: bool, **quality: Any) -> None:
    """Write the page about a store."""
    from insarray.reports import report as write_report

    good = mask_of(open_result(store), quality)
    write_report(store, path, mask=good, overwrite=overwrite, title=title)
    click.echo(f"{path}: written")


def _known(dataset: xr.Dataset, variable: str, store: str) -> str:
    if variable not in dataset.data_vars:
        names = ", ".join(sorted(map(str, dataset.data_vars)))
        raise ArgumentError(f"variable: {variable!r} is not in {store}; choose --variable from {names}")
    return variable


def status(url: str, *, verify: bool, discard_damaged: bool, as_json: bool) -> None:
    """Progress, numbers and health of a store."""
    store = Store(url)
    job = store.required_job()
    discarded = []
    if discard_damaged:
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
    if discard_damaged:
        result["blocks_discarded"] = discarded
    elif verify:
        result["blocks_verified"] = store.verify()
    if as_json:
        click.echo(json.dumps({**result, "report": report, "options": job["options"], "command": job["command"]}))
        return
    click.echo(f"{url}: {result['state']}, {done} of {blocks} blocks done, job {result['fingerprint'][:12]}")
    for line in _numbers(report):
        click.echo(line)
    lock = store.left_lock()
    if lock is not None:
        click.echo(f"locked by a run that is writing, or was killed: if it was, remove {lock}")
    if discarded:
        click.echo(
            f"discarded, as they were damaged: {', '.join(map(str, discarded))}; repeat the command that made the store"
        )
    elif discard_damaged:
        click.echo("nothing is damaged")
    elif verify:
        click.echo(f"{result['blocks_verified']} blocks read back, all as they were written")


def _numbers(report: dict[str, Any] | None) -> Iterator[str]:
    """What the blocks say of themselves, in lines."""
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
    """What a value of a flag means; the value itself where that is not known."""
    meanings = FLAGS.get(flag, ())
    return meanings[int(value)].replace("_", " ") if int(value) < len(meanings) else value


def _at_date(dataset: xr.Dataset, variable: str, date: str | None) -> xr.Dataset:
    """Dataset in which a variable of a series is the map of one date."""
    if "time" not in dataset[variable].dims:
        if date is not None:
            raise ArgumentError(f"date: {variable} is one map, not a series; leave --date out")
        return dataset
    return dataset.isel(time=-1 if date is None else date_index(dataset.time.values, date))


def plot(what: str, url: str, path: str, *, variable: str | None, date: str | None, **options: Any) -> None:
    """Draw into a file."""
    from insarray import plot as draw

    dataset = open_result(url)
    quality = {name: options.pop(name) for name in QUALITY}
    good = mask_of(dataset, quality)
    if good is not None and what not in ("velocity", "map", "multiples"):
        raise ArgumentError(
            f"--mask, --min-dates, ...: {what} has no pixels to mask; they belong to maps and multiples"
        )
    axes: Any
    if what == "closure":
        axes = draw.closure(closure_summary(dataset, maps=True))
    elif what == "network":
        if "pair" not in dataset.sizes:
            raise ArgumentError(f"{url}: has no pairs; give the output of insarray invert")
        axes = draw.network(dataset)
    elif what == "velocity":
        axes = draw.velocity(dataset, mask=good)
    elif what == "map":
        if variable is None:
            raise ArgumentError("variable: say which map to draw with --variable")
        axes = draw.map(_at_date(dataset, _known(dataset, variable, url), date), variable, mask=good)
    elif what == "multiples":
        name = variable or "displacement"
        axes = draw.multiples(dataset, _known(dataset, name, url), mask=good)
    elif what == "points":
        if "point" not in dataset.sizes:
            raise ArgumentError(f"{url}: has no points; give the points.zarr of insarray links")
        name = variable or "velocity"
        _known(dataset, name, url)
        axes = draw.points(_at_date(dataset, name, date) if "time" in dataset[name].dims else dataset, name)
    else:
        axes = draw.point(dataset, **options)
    draw.save(axes, path)
    click.echo(f"{path}: drawn")
