"""What the commands do: options to calls of the library, results to text."""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click
import xarray as xr

from insarray.engine.plan import Plan, plan_run
from insarray.engine.run import Progress, run
from insarray.engine.store import Store, open_store
from insarray.faces.closure import closure_report, closure_text
from insarray.faces.words import parse_reference, parse_relaxation
from insarray.io.open import open_stack
from insarray.model.dates import date_index
from insarray.model.errors import ArgumentError, StoreError
from insarray.model.loops import LoopKind
from insarray.products.closure import closure as close_stack
from insarray.products.closure import closure_summary
from insarray.products.reference import Reference
from insarray.products.residuals import pair_misfit
from insarray.products.stack import Phase, mask, select_pairs
from insarray.products.summary import describe
from insarray.products.time_functions import fit as fit_series
from insarray.products.timeseries import invert as invert_stack
from insarray.products.unwrapping import add_cycles, correct_unwrapping, correction_account

_READING = (
    "coherence",
    "components",
    "baselines",
    "wavelength",
    "product",
    "sign",
    "units",
    "nodata",
    "dates",
    "variable",
)
_NORM = ("norm", "tolerance", "max_iterations", "threshold", "rho", "alpha", "iterations")
_REFERENCE = ("reference_row", "reference_col", "reference_area")
_SELECTING = ("max_temporal_baseline", "max_perpendicular_baseline", "max_neighbours", "exclude_dates", "exclude_pairs")


def info(files: Sequence[str], *, as_json: bool, **options: Any) -> None:
    """Print what a stack is."""
    summary = describe(open_stack(_files(files), **options), os.cpu_count() or 1)
    if as_json:
        click.echo(json.dumps(summary))
        return
    warnings = summary.pop("warnings")
    for name, value in summary.items():
        click.echo(f"{name.replace('_', ' '):28s} {_text(value)}")
    for warning in warnings:
        click.echo(f"warning: {warning}")


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
    _refuse_input_as_output(files, out)
    stack = _stack(files, options)
    reference = parse_reference(options["reference"])
    stack, phase = _corrected(stack, options, reference)
    series = invert_stack(
        stack,
        phase=phase,
        **{name: options[name] for name in _NORM},
        weights=options["weights"],
        looks=options["looks"],
        reference=reference,
        gap=options["gap"],
    )
    results = series.merge(fit_series(series), combine_attrs="override")
    if phase == "corrected_phase":
        results = results.assign({name: stack[name] for name in ("unwrapping_cycles", "unwrapping_flag")})
    _run(results, out, options)
    if phase == "corrected_phase" and not (options["as_json"] or options["dry_run"]):
        account = correction_account(open_store(out))
        pixels = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in account.pixels.items() if count)
        click.echo(
            f"cycles added to {100 * account.samples:.2f} % of the samples, in {len(account.pairs)} pairs; pixels: {pixels}"
        )


def _stack(files: Sequence[str], options: dict[str, Any]) -> xr.Dataset:
    """Open, select, mask."""
    stack = open_stack(_files(files), block=options["block"], **{name: options[name] for name in _READING})
    return mask(
        _selected(stack, options),
        coherence=options["min_coherence"],
        connected_components=options["mask_components"],
        raster=options["mask_raster"],
    )


def _corrected(stack: xr.Dataset, options: dict[str, Any], reference: Reference | None) -> tuple[xr.Dataset, Phase]:
    """Stack with the corrections asked for, one after the other, and the name of its phase to use."""
    phase: Phase = "unwrapped_phase"
    for method in options["correct_unwrapping"]:
        stack = correct_unwrapping(stack, method=method, phase=phase, reference=reference)
        phase = "corrected_phase"
    return stack, phase


def closure(arguments: Sequence[str], **options: Any) -> None:
    """Open, select, mask, close the loops; with an output run into it; print the table, and draw it."""
    stores = len(arguments) > 1 and arguments[-1].rstrip("/").endswith(".zarr")
    files, out = (arguments[:-1], arguments[-1]) if stores else (arguments, None)
    picture = options["picture"]
    if out is None:
        for name, unset in (("dry_run", False), ("restart", False), ("scheduler", "threads")):
            if options[name] != unset:
                raise ArgumentError(f"--{name.replace('_', '-')}: nothing is stored; give an output, OUT.zarr")
    else:
        _refuse_input_as_output(files, out)
    if picture is not None:
        from insarray.faces import plot as draw

        draw.figures.require_format(picture)
    reference = parse_reference(options["reference"])
    stack, phase = _corrected(_stack(files, options), options, reference)
    loops = close_stack(stack, loops=_loop_kind(options["loops"]), phase=phase, reference=reference)
    stored = None
    if out is not None:
        stored = _store(loops, out, options)
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
        _say(stored, out, options)
    click.echo(closure_text(report))
    if picture is not None:
        click.echo(f"{picture}: drawn")


def _loop_kind(text: str) -> LoopKind:
    return int(text) if text.isdecimal() else cast("LoopKind", text)


def _selected(stack: xr.Dataset, options: dict[str, Any]) -> xr.Dataset:
    wanted = {name: options[name] for name in _SELECTING if options[name] not in (None, ())}
    if options["min_mean_coherence"] is not None:
        wanted["min_coherence"] = options["min_mean_coherence"]
    return select_pairs(stack, **wanted) if wanted else stack


def residuals(arguments: Sequence[str], *, as_json: bool, **options: Any) -> None:
    """Print the pairs by how often they are wrong."""
    if len(arguments) < 2:
        raise ArgumentError("residuals: give the interferograms and, last, the store of their series")
    *files, store = arguments
    series = open_store(store)
    stack = open_stack(_files(files), **options)
    kept = series.insar.network
    stack = select_pairs(
        stack, exclude_pairs=[label for label in stack.insar.network.labels if label not in kept.labels]
    )
    phase: Phase = "unwrapped_phase"
    if "unwrapping_cycles" in series:
        phase = "corrected_phase"
        stack = stack.assign(corrected_phase=add_cycles(stack.unwrapped_phase, series.unwrapping_cycles))
    rows = pair_misfit(stack, series, phase=phase)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows]))
        return
    click.echo(f"{'pair':17s} {'pixels':>9s} {'rms (rad)':>9s} {'wrong by a cycle':>16s}")
    for row in rows[:20]:
        click.echo(f"{row.pair:17s} {row.pixels:9d} {row.rms:9.3f} {100 * row.wrong:14.2f} %")
    if len(rows) > 20:
        click.echo(f"and {len(rows) - 20} more that agree better")


def fit(series: str, out: str, **options: Any) -> None:
    """Time functions of a stored series."""
    _refuse_input_as_output([series], out)
    terms: dict[str, Any] = {name: options[name] for name in ("degree", "periods", "steps", "velocity_changes")}
    for name in ("exponentials", "logarithms"):
        terms[name] = tuple(parse_relaxation(name, text) for text in options[name])
    _run(fit_series(open_store(series), **terms), out, options)


def _run(dataset: xr.Dataset, out: str, options: dict[str, Any]) -> None:
    """Compute into a store and say what was done."""
    stored = _store(dataset, out, options)
    if stored is not None and options["as_json"]:
        click.echo(json.dumps(stored))
    elif stored is not None:
        _say(stored, out, options)


def _store(dataset: xr.Dataset, out: str, options: dict[str, Any]) -> dict[str, Any] | None:
    """Plan and compute with a progress bar; what was done, None after a dry run."""
    as_json, scheduler, workers = options["as_json"], options["scheduler"], options["workers"]
    plan = plan_run(dataset, workers or os.cpu_count() or 1)
    if options["dry_run"]:
        _print_plan(plan, out, as_json=as_json)
        return None
    started = time.perf_counter()
    with progress_bar(quiet=as_json) as progress:
        report = run(
            dataset,
            out,
            scheduler=scheduler,
            workers=workers,
            resume=not options["restart"],
            progress=progress,
            command="insarray " + shlex.join(sys.argv[1:]),
        )
    seconds = time.perf_counter() - started
    pixels = dataset.sizes["y"] * dataset.sizes["x"]
    reference = {k: v for k, v in dataset.attrs.items() if k in _REFERENCE}
    return {**report._asdict(), "seconds": round(seconds, 3), "pixels": pixels, **reference}


def _say(stored: dict[str, Any], out: str, options: dict[str, Any]) -> None:
    reference = {name: stored[name] for name in _REFERENCE if name in stored}
    where = f"; reference {', '.join(f'{k[10:]} {v}' for k, v in reference.items())}" if reference else ""
    if options.get("reference") == "auto":
        where += " (chosen by quality alone: make sure that it is stable ground)"
    computed, blocks, seconds = stored["computed"], stored["blocks"], stored["seconds"]
    click.echo(f"{out}: {computed} of {blocks} blocks computed in {seconds:.1f} s{where}")


def _print_plan(plan: Plan, out: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(plan.as_dict()))
        return
    click.echo(
        f"{out}: {plan.n_blocks} blocks of up to {max(plan.rows)} x {max(plan.cols)} pixels, {plan.workers} at a time; "
        f"{plan.output_bytes / 1e9:.3f} GB of results before compression; peak memory at most "
        f"{plan.peak_bytes / 1e9:.2f} GB per process (dry run: nothing was written)"
    )


def export(store: str, path: str, variable: str | None, *, overwrite: bool) -> None:
    """Write a GeoTIFF or NetCDF file."""
    from insarray.faces.export import to_cog, to_netcdf

    dataset, suffix = open_store(store), Path(path).suffix.lower()
    if suffix == ".nc":
        if variable is not None:
            dataset = dataset[[_known(dataset, variable, store)]]
        to_netcdf(dataset, path, overwrite=overwrite)
    elif suffix in (".tif", ".tiff"):
        name = _known(dataset, variable or Path(path).stem, store)
        to_cog(dataset[name], path, attrs=dataset.attrs, overwrite=overwrite)
    else:
        raise ArgumentError(f"{path}: ends in {suffix!r}; use .tif for a GeoTIFF or .nc for NetCDF")
    click.echo(f"{path}: written")


def _known(dataset: xr.Dataset, variable: str, store: str) -> str:
    if variable not in dataset.data_vars:
        names = ", ".join(sorted(map(str, dataset.data_vars)))
        raise ArgumentError(f"variable: {variable!r} is not in {store}; choose --variable from {names}")
    return variable


def status(url: str, *, verify: bool, as_json: bool) -> None:
    """Progress and health of a store."""
    store = Store(url)
    job = store.job()
    if job is None:
        raise StoreError(f"{url}: is not an insarray store")
    done, blocks = len(store.done()), len(job["rows"]) * len(job["cols"])
    result = {
        "url": url,
        "state": job["state"],
        "blocks_done": done,
        "blocks": blocks,
        "fingerprint": job["fingerprint"],
    }
    if verify:
        result["blocks_verified"] = store.verify()
    if as_json:
        click.echo(json.dumps({**result, "options": job["options"], "command": job["command"]}))
        return
    click.echo(f"{url}: {result['state']}, {done} of {blocks} blocks done, job {result['fingerprint'][:12]}")
    if verify:
        click.echo(f"{result['blocks_verified']} blocks read back, all as they were written")


def _at_date(dataset: xr.Dataset, variable: str, date: str | None) -> xr.Dataset:
    """Dataset in which a variable of a series is the map of one date."""
    if "time" not in dataset[variable].dims:
        if date is not None:
            raise ArgumentError(f"date: {variable} is one map, not a series; leave --date out")
        return dataset
    return dataset.isel(time=-1 if date is None else date_index(dataset.time.values, date))


def plot(what: str, url: str, path: str, *, variable: str | None, date: str | None, **point: Any) -> None:
    """Draw into a file."""
    from insarray.faces import plot as draw

    dataset = open_store(url)
    axes: Any
    if what == "closure":
        axes = draw.closure(closure_summary(dataset, maps=True))
    elif what == "network":
        if "pair" not in dataset.sizes:
            raise ArgumentError(f"{url}: has no pairs; give the output of insarray invert")
        axes = draw.network(dataset)
    elif what == "velocity":
        axes = draw.velocity(dataset)
    elif what == "map":
        if variable is None:
            raise ArgumentError("variable: say which map to draw with --variable")
        axes = draw.map(_at_date(dataset, _known(dataset, variable, url), date), variable)
    else:
        axes = draw.point(dataset, **point)
    draw.save(axes, path)
    click.echo(f"{path}: drawn")


def _files(files: Sequence[str]) -> str | list[str]:
    return files[0] if len(files) == 1 else list(files)


def _refuse_input_as_output(files: Sequence[str], out: str) -> None:
    if any(os.path.abspath(out) == os.path.abspath(file) for file in files):
        raise ArgumentError(f"{out}: is an input; give another output")


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Progress | None]:
    """Bar with rate and remaining time on a terminal; nothing where nobody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("blocks"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("blocks", total=None)
        yield lambda finished, blocks: bar.update(task, completed=finished, total=blocks)
