"""`insarray links`: velocity and height error (DEM error) of points of a wrapped stack, their arcs, and maps."""

import json
import os
import shutil
import time
from collections.abc import Callable
from typing import Any

import xarray as xr

from insarray.cli.components_points_export import Links
from insarray.cli.compute import command_line, compiled_kernels, refuse_input_as_output
from insarray.cli.options import Geometry
from insarray.cli.point_options import Arcs, Points, ReadingWrapped
from insarray.cli.say import echo
from insarray.cli.typed import dashed
from insarray.cli.values import parse_reference
from insarray.engine.jobs import fingerprint
from insarray.engine.run.runner import Progress
from insarray.engine.store.point_store import is_stored, save_points
from insarray.engine.store.zarr_store import Store
from insarray.export.geotiffs import model_maps, to_geotiffs
from insarray.export.rasters import to_cog
from insarray.io.files import fingerprint as of_files
from insarray.io.locations import location
from insarray.kernels.unwrapping.residues import flow_module
from insarray.model.dataset import pair_coords
from insarray.model.errors import ArgumentError, StoreError
from insarray.model.network import Network
from insarray.products.points.integration import PointReference, integrate_links
from insarray.products.points.link_plan import LinkPlan, plan_links
from insarray.products.points.links import estimate_links
from insarray.products.points.refinement import refine_points
from insarray.products.points.selection import points_to_grid, select_points
from insarray.products.points.unwrapping import unwrap_points
from insarray.products.stacks.reference import LonLat
from insarray.progress import progress_bar

HEIGHT_RANGE = (-60.0, 60.0)
"""Default search range of height error differences in m, if there are baselines."""

_POINTS, _LINKS, _RASTERS = "points.zarr", "links.zarr", "unwrapped"


class _Steps:
    """Progress by steps of a command."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress or (lambda finished, steps: None), total, 0
        self._progress(0, total)

    def __call__(self) -> None:
        self._done += 1
        self._progress(self._done, self._total)


def links(options: Links) -> None:
    """Estimate and integrate links, refine and unwrap points, and write the complete output folder in one step."""
    with compiled_kernels(options, "link model") as wait:
        _links(options, wait)


def _links(options: Links, wait: Callable[[], None]) -> None:
    started, out = time.perf_counter(), options.out
    how, wrapped = _settings(options), wrapped_of(options)
    if options.dry_run:
        plan = _plan(wrapped, how, options)
        text = f"{out}: {plan.points} points, {plan.links} links, peak memory {plan.peak_bytes / 1e9:.2f} GB"
        _print(plan.as_dict(), text, options)
        return
    identity: dict[str, Any] = {**how, **options.keywords(Points)}
    identity |= {"unwrap": options.unwrap, "refine": options.refine, "input": fingerprint(wrapped)}
    if options.mask is not None:
        identity["mask_fingerprint"] = of_files([location(options.mask)])
    if _is_there(out, identity, restart=options.restart):
        _print({"url": out, "computed": False}, f"{out}: is there already, with these settings", options)
        return
    _plan(wrapped, how, options).require_memory()
    wait()
    with progress_bar(quiet=options.json, unit="steps") as progress:
        step = _Steps(progress, 4 + options.refine + options.unwrap)
        found, points = _solved(wrapped, how, options, step)
        _write(out, found, points, identity)
        step()
    seconds = round(time.perf_counter() - started, 3)
    velocity, std = points.velocity * 1e3, points.velocity_std * 1e3
    result = {"url": out, "computed": True, "points": points.sizes["point"], "links": found.sizes["link"]}
    result |= {"median_velocity_std": round(float(std.median()), 4), "seconds": seconds}
    text = (
        f"{out}: {result['points']} points, {result['links']} links in {seconds:.1f} s; velocity "
        f"{float(velocity.min()):.1f} to {float(velocity.max()):.1f} mm/yr, standard error {float(std.median()):.2f} "
        "(median, relative to the surroundings)"
    )
    _print(result, text, options)


def _plan(wrapped: xr.Dataset, how: dict[str, Any], options: Links) -> LinkPlan:
    network = {name: how[name] for name in ("network", "neighbours", "max_length")}
    return plan_links(wrapped, options.keywords(Points), **network)


def _print(result: dict[str, Any], text: str, options: Links) -> None:
    echo(json.dumps(result) if options.json else text)


def wrapped_of(options: Links) -> xr.Dataset:
    """Open the wrapped stack of a command lazily, and check everything that needs no reading."""
    from insarray.io.wrapped.open import open_wrapped

    refuse_input_as_output([options.stack], options.out)
    _settings(options)
    if options.unwrap:
        flow_module()  # report a missing package now, not after the other steps
    how = options.keywords(ReadingWrapped)
    how |= {name: how.pop(f"{name}_file") for name in ("temporal_coherence", "amplitude_dispersion")}
    opened: xr.Dataset = open_wrapped(options.stack, **how)
    return opened


def _settings(options: Links) -> dict[str, Any]:
    """Return the arguments of the library functions, in their units."""
    ranges: dict[str, tuple[float, float] | None] = {}
    steps: dict[str, float | None] = {}
    for name, given, unit in (
        ("velocity", options.velocity_range, 1e-3),
        ("height_error", options.height_error_range, 1.0),
    ):
        if given is not None and len(given) == 3 and options.method != "published":
            raise ArgumentError(f"--{dashed(name)}-range: a step belongs to --method published; leave it out")
        ranges[name] = None if given is None else (given[0] * unit, given[1] * unit)
        steps[name] = None if given is None or len(given) < 3 else given[2] * unit
    if (steps["velocity"] is None) != (steps["height_error"] is None):
        raise ArgumentError("--velocity-range, --height-error-range: one has a step without the other; give both")
    step = None if steps["velocity"] is None else (steps["velocity"], steps["height_error"])
    return {**options.keywords(Arcs, Geometry), **ranges, "step": step, "reference": _reference(options.reference)}


def _reference(text: str) -> PointReference | None:
    place = parse_reference(text)
    if place is None or isinstance(place, (tuple, LonLat)):
        return place
    raise ArgumentError(f"--reference: {text!r} is not one point; give none, ROW,COL or lonlat:LON,LAT")


def _is_there(out: str, identity: dict[str, Any], *, restart: bool) -> bool:
    """Return whether the folder was written with these settings; with `restart`, only check that it is insarray's."""
    if not os.path.lexists(out):
        return False
    store = os.path.join(out, _POINTS)
    if Store(store).job() is None:
        raise StoreError(f"{out}: exists and is not the output of 'insarray links'; choose another output or remove it")
    return not restart and is_stored(store, identity)


def _solved(wrapped: xr.Dataset, how: dict[str, Any], options: Links, step: _Steps) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the links, and the points with all requested results."""
    points = select_points(wrapped, **options.keywords(Points))
    step()
    search = {name: value for name, value in how.items() if name != "reference"}
    if search["height_error"] is None and "perpendicular_baseline" in points.variables:
        search["height_error"] = HEIGHT_RANGE
    found = estimate_links(points, **search)
    step()
    geometry = options.keywords(Geometry)
    published = how["method"] == "published"
    weighting: dict[str, Any] = {"weighting": "coherence", "robust": False} if published else {}
    model = integrate_links(found, points, reference=how["reference"], **weighting, **geometry)
    step()
    if options.refine:
        wide = search["height_error"] if "height_error" in model else None
        model = refine_points(points, model, height_error=wide, **geometry)
        step()
    if options.unwrap:
        unwrapped = unwrap_points(points, model, **geometry)
        model = model.assign(unwrapped_phase=unwrapped.unwrapped_phase).assign_attrs(unwrapped.attrs | model.attrs)
        step()
    return found, model


def _write(out: str, found: xr.Dataset, points: xr.Dataset, identity: dict[str, Any]) -> None:
    """Write stores and maps to a folder beside the output, then rename it."""
    command = command_line()
    folder, name = os.path.split(os.path.abspath(out))
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.partial")
    try:
        os.makedirs(temporary)
        save_points(found, os.path.join(temporary, _LINKS), settings=identity, command=command)
        for title, layer in model_maps(points_to_grid(points)).items():
            to_cog(layer, os.path.join(temporary, f"{title}.tif"), attrs=points.attrs)
        if "unwrapped_phase" in points:
            to_geotiffs(_interferograms(points), os.path.join(temporary, _RASTERS))
        save_points(points, os.path.join(temporary, _POINTS), settings=identity, command=command)
        if os.path.lexists(out):  # output of an earlier run, to be replaced
            shutil.rmtree(out)
        os.rename(temporary, out)
    except OSError as error:
        raise StoreError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _interferograms(points: xr.Dataset) -> xr.Dataset:
    """Return the unwrapped phases of points as a stack of pairs of each date with the first."""
    phase = points_to_grid(points[["unwrapped_phase"]]).unwrapped_phase
    times = points.time.values
    pairs = (phase.isel(time=slice(1, None)) - phase.isel(time=0)).rename(time="pair").drop_vars("pair")
    network = Network.from_pairs([(times[0], time) for time in times[1:]])
    layers = {"unwrapped_phase": pairs.assign_attrs(points.unwrapped_phase.attrs)}
    return xr.Dataset(layers, pair_coords(network), points.attrs)
