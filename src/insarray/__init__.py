"""insarray: lazy InSAR time series analysis of interferogram stacks, with standard errors."""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from insarray._accessors import register as _register_accessors
from insarray._version import __version__ as __version__

if _TYPE_CHECKING:
    from insarray import plot
    from insarray.engine.estimators import map_blocks
    from insarray.engine.open import open  # noqa: A004
    from insarray.engine.plan import plan_run
    from insarray.engine.run.append import append
    from insarray.engine.run.runner import run
    from insarray.engine.store.point_store import save_points
    from insarray.export.geotiffs import to_geotiffs
    from insarray.export.mintpy import to_mintpy
    from insarray.export.rasters import to_cog, to_netcdf
    from insarray.export.tables import to_table
    from insarray.io.geometry.open import open_geometry
    from insarray.io.gnss.open import open_gnss
    from insarray.io.open import open_stack
    from insarray.io.readers.mintpy_series import open_series
    from insarray.io.readers.point_tables import open_points
    from insarray.io.wrapped.open import open_wrapped
    from insarray.model.errors import InsarrayError
    from insarray.model.grid import Grid
    from insarray.model.network import Network
    from insarray.products.components.decompose import decompose
    from insarray.products.components.frame import change_frame, plate_motion
    from insarray.products.components.sight import line_of_sight
    from insarray.products.corrections.assess import assess_corrections
    from insarray.products.corrections.correct import correct
    from insarray.products.corrections.ionosphere import ionosphere
    from insarray.products.corrections.plate import plate_displacement
    from insarray.products.corrections.stratified import stratified_troposphere
    from insarray.products.corrections.tides import solid_earth_tide
    from insarray.products.corrections.troposphere import troposphere
    from insarray.products.gnss.compare import compare_gnss
    from insarray.products.gnss.tie import tie_to_gnss
    from insarray.products.gnss.validate import validate
    from insarray.products.points.integration import integrate_links
    from insarray.products.points.links import estimate_links
    from insarray.products.points.refinement import refine_points
    from insarray.products.points.selection import points_to_grid, select_points
    from insarray.products.points.stacks import unwrap_stack
    from insarray.products.points.unwrapping import unwrap_points
    from insarray.products.series.covariance import covariance
    from insarray.products.series.inversion import invert
    from insarray.products.series.joining import join
    from insarray.products.series.ramps import deramp, ramp_surface
    from insarray.products.series.rereference import rereference
    from insarray.products.series.residuals import pair_misfit, residuals
    from insarray.products.series.timeseries import timeseries
    from insarray.products.stacks.averages import component_counts, temporal_average
    from insarray.products.stacks.closure import closure, closure_summary
    from insarray.products.stacks.quality import quality_mask
    from insarray.products.stacks.reference import area, find_reference, lonlat
    from insarray.products.stacks.selection import mask, select_pairs
    from insarray.products.stacks.unwrapping import correct_unwrapping, correction_account
    from insarray.products.timefit.fit import fit
    from insarray.products.timefit.midas import midas
    from insarray.products.timefit.prediction import predict, remove_terms
    from insarray.products.tracks.merge import merge_tracks
    from insarray.progress import progress_bar
    from insarray.reports import report
    from insarray.simulate.points import simulate_wrapped
    from insarray.simulate.stacks import simulate_stack
    from insarray.versions import show_versions

_HOMES = {
    "Grid": "insarray.model.grid",
    "InsarrayError": "insarray.model.errors",
    "Network": "insarray.model.network",
    "append": "insarray.engine.run.append",
    "assess_corrections": "insarray.products.corrections.assess",
    "area": "insarray.products.stacks.reference",
    "change_frame": "insarray.products.components.frame",
    "closure": "insarray.products.stacks.closure",
    "closure_summary": "insarray.products.stacks.closure",
    "compare_gnss": "insarray.products.gnss.compare",
    "component_counts": "insarray.products.stacks.averages",
    "correct": "insarray.products.corrections.correct",
    "correct_unwrapping": "insarray.products.stacks.unwrapping",
    "correction_account": "insarray.products.stacks.unwrapping",
    "covariance": "insarray.products.series.covariance",
    "decompose": "insarray.products.components.decompose",
    "deramp": "insarray.products.series.ramps",
    "estimate_links": "insarray.products.points.links",
    "find_reference": "insarray.products.stacks.reference",
    "fit": "insarray.products.timefit.fit",
    "integrate_links": "insarray.products.points.integration",
    "invert": "insarray.products.series.inversion",
    "ionosphere": "insarray.products.corrections.ionosphere",
    "join": "insarray.products.series.joining",
    "line_of_sight": "insarray.products.components.sight",
    "lonlat": "insarray.products.stacks.reference",
    "mask": "insarray.products.stacks.selection",
    "merge_tracks": "insarray.products.tracks.merge",
    "midas": "insarray.products.timefit.midas",
    "map_blocks": "insarray.engine.estimators",
    "open": "insarray.engine.open",
    "open_geometry": "insarray.io.geometry.open",
    "open_gnss": "insarray.io.gnss.open",
    "open_points": "insarray.io.readers.point_tables",
    "open_series": "insarray.io.readers.mintpy_series",
    "open_stack": "insarray.io.open",
    "open_wrapped": "insarray.io.wrapped.open",
    "pair_misfit": "insarray.products.series.residuals",
    "plan_run": "insarray.engine.plan",
    "plate_displacement": "insarray.products.corrections.plate",
    "plate_motion": "insarray.products.components.frame",
    "plot": "insarray.plot",
    "points_to_grid": "insarray.products.points.selection",
    "predict": "insarray.products.timefit.prediction",
    "progress_bar": "insarray.progress",
    "quality_mask": "insarray.products.stacks.quality",
    "ramp_surface": "insarray.products.series.ramps",
    "refine_points": "insarray.products.points.refinement",
    "remove_terms": "insarray.products.timefit.prediction",
    "report": "insarray.reports",
    "rereference": "insarray.products.series.rereference",
    "residuals": "insarray.products.series.residuals",
    "run": "insarray.engine.run.runner",
    "save_points": "insarray.engine.store.point_store",
    "select_pairs": "insarray.products.stacks.selection",
    "select_points": "insarray.products.points.selection",
    "show_versions": "insarray.versions",
    "solid_earth_tide": "insarray.products.corrections.tides",
    "simulate_stack": "insarray.simulate.stacks",
    "simulate_wrapped": "insarray.simulate.points",
    "stratified_troposphere": "insarray.products.corrections.stratified",
    "temporal_average": "insarray.products.stacks.averages",
    "timeseries": "insarray.products.series.timeseries",
    "tie_to_gnss": "insarray.products.gnss.tie",
    "to_cog": "insarray.export.rasters",
    "to_geotiffs": "insarray.export.geotiffs",
    "to_mintpy": "insarray.export.mintpy",
    "to_netcdf": "insarray.export.rasters",
    "troposphere": "insarray.products.corrections.troposphere",
    "to_table": "insarray.export.tables",
    "validate": "insarray.products.gnss.validate",
    "unwrap_points": "insarray.products.points.unwrapping",
    "unwrap_stack": "insarray.products.points.stacks",
}

__all__ = [  # noqa: RUF022 - in the order of the work
    "open",
    "open_stack",
    "open_wrapped",
    "open_points",
    "open_series",
    "open_geometry",
    "open_gnss",
    "select_pairs",
    "mask",
    "find_reference",
    "lonlat",
    "area",
    "temporal_average",
    "component_counts",
    "closure",
    "closure_summary",
    "correct_unwrapping",
    "correction_account",
    "invert",
    "troposphere",
    "stratified_troposphere",
    "ionosphere",
    "solid_earth_tide",
    "plate_displacement",
    "assess_corrections",
    "correct",
    "rereference",
    "join",
    "deramp",
    "ramp_surface",
    "residuals",
    "pair_misfit",
    "quality_mask",
    "timeseries",
    "covariance",
    "fit",
    "midas",
    "predict",
    "remove_terms",
    "line_of_sight",
    "decompose",
    "compare_gnss",
    "tie_to_gnss",
    "merge_tracks",
    "validate",
    "plate_motion",
    "change_frame",
    "select_points",
    "estimate_links",
    "integrate_links",
    "refine_points",
    "unwrap_points",
    "unwrap_stack",
    "points_to_grid",
    "save_points",
    "map_blocks",
    "plan_run",
    "run",
    "append",
    "progress_bar",
    "to_cog",
    "to_netcdf",
    "to_geotiffs",
    "to_table",
    "to_mintpy",
    "plot",
    "report",
    "simulate_stack",
    "simulate_wrapped",
    "Network",
    "Grid",
    "InsarrayError",
    "show_versions",
]


def __getattr__(name: str) -> _Any:
    """Import a public name when it is first used, so that ``insarray --help`` is fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'insarray' has no attribute {name!r}")
    _importlib.import_module("insarray.backend")  # objects of insarray need their accessors
    module = _importlib.import_module(_HOMES[name])
    return module if name == "plot" else getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__version__"]


_register_accessors()
