"""insarray: InSAR time series from stacks of interferograms, lazily, fast, with honest uncertainty."""

import importlib
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from insarray.engine.append import append
    from insarray.engine.estimators import map_blocks
    from insarray.engine.open import open  # noqa: A004
    from insarray.engine.plan import plan_run
    from insarray.engine.point_store import save_points
    from insarray.engine.run import run
    from insarray.faces import plot
    from insarray.faces.export import to_cog, to_netcdf
    from insarray.faces.mintpy_files import to_mintpy
    from insarray.faces.progress import progress_bar
    from insarray.faces.report import report
    from insarray.io.geometry import open_geometry
    from insarray.io.mintpy_series import open_series
    from insarray.io.open import open_stack
    from insarray.io.wrapped import open_wrapped
    from insarray.model.errors import InsarrayError
    from insarray.model.grid import Grid
    from insarray.model.network import Network
    from insarray.products.averages import component_counts, temporal_average
    from insarray.products.closure import closure, closure_summary
    from insarray.products.covariance import covariance
    from insarray.products.integration import integrate_links
    from insarray.products.joining import join
    from insarray.products.links import estimate_links
    from insarray.products.motion import predict, remove_terms
    from insarray.products.points import points_to_grid, select_points
    from insarray.products.quality import quality_mask
    from insarray.products.ramps import deramp, ramp_surface
    from insarray.products.reference import area, find_reference, lonlat
    from insarray.products.refinement import refine_points
    from insarray.products.rereference import rereference
    from insarray.products.residuals import pair_misfit, residuals
    from insarray.products.stack import mask, select_pairs
    from insarray.products.time_functions import fit
    from insarray.products.timeseries import invert
    from insarray.products.unwrapped_points import unwrap_points
    from insarray.products.unwrapping import correct_unwrapping, correction_account
    from insarray.simulate import simulate_stack
    from insarray.simulate_points import simulate_wrapped

_HOMES = {
    "Grid": "insarray.model.grid",
    "InsarrayError": "insarray.model.errors",
    "Network": "insarray.model.network",
    "append": "insarray.engine.append",
    "area": "insarray.products.reference",
    "closure": "insarray.products.closure",
    "closure_summary": "insarray.products.closure",
    "component_counts": "insarray.products.averages",
    "correct_unwrapping": "insarray.products.unwrapping",
    "correction_account": "insarray.products.unwrapping",
    "covariance": "insarray.products.covariance",
    "deramp": "insarray.products.ramps",
    "estimate_links": "insarray.products.links",
    "find_reference": "insarray.products.reference",
    "fit": "insarray.products.time_functions",
    "integrate_links": "insarray.products.integration",
    "invert": "insarray.products.timeseries",
    "join": "insarray.products.joining",
    "lonlat": "insarray.products.reference",
    "mask": "insarray.products.stack",
    "map_blocks": "insarray.engine.estimators",
    "open": "insarray.engine.open",
    "open_geometry": "insarray.io.geometry",
    "open_series": "insarray.io.mintpy_series",
    "open_stack": "insarray.io.open",
    "open_wrapped": "insarray.io.wrapped",
    "pair_misfit": "insarray.products.residuals",
    "plan_run": "insarray.engine.plan",
    "plot": "insarray.faces.plot",
    "points_to_grid": "insarray.products.points",
    "predict": "insarray.products.motion",
    "progress_bar": "insarray.faces.progress",
    "quality_mask": "insarray.products.quality",
    "ramp_surface": "insarray.products.ramps",
    "refine_points": "insarray.products.refinement",
    "remove_terms": "insarray.products.motion",
    "report": "insarray.faces.report",
    "rereference": "insarray.products.rereference",
    "residuals": "insarray.products.residuals",
    "run": "insarray.engine.run",
    "save_points": "insarray.engine.point_store",
    "select_pairs": "insarray.products.stack",
    "select_points": "insarray.products.points",
    "simulate_stack": "insarray.simulate",
    "simulate_wrapped": "insarray.simulate_points",
    "temporal_average": "insarray.products.averages",
    "to_cog": "insarray.faces.export",
    "to_mintpy": "insarray.faces.mintpy_files",
    "to_netcdf": "insarray.faces.export",
    "unwrap_points": "insarray.products.unwrapped_points",
}

__all__ = [  # noqa: RUF022 - in the order of the work
    "open",
    "open_stack",
    "open_wrapped",
    "open_series",
    "open_geometry",
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
    "rereference",
    "join",
    "deramp",
    "ramp_surface",
    "residuals",
    "pair_misfit",
    "quality_mask",
    "covariance",
    "fit",
    "predict",
    "remove_terms",
    "select_points",
    "estimate_links",
    "integrate_links",
    "refine_points",
    "unwrap_points",
    "points_to_grid",
    "save_points",
    "map_blocks",
    "plan_run",
    "run",
    "append",
    "progress_bar",
    "to_cog",
    "to_netcdf",
    "to_mintpy",
    "plot",
    "report",
    "simulate_stack",
    "simulate_wrapped",
    "Network",
    "Grid",
    "InsarrayError",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``insarray --help`` is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'insarray' has no attribute {name!r}")
    importlib.import_module("insarray.backend")  # whoever has an object of ours has its accessors
    module = importlib.import_module(_HOMES[name])
    return module if name == "plot" else getattr(module, name)


if "xarray" in sys.modules:  # else with the first public name: the command line's help needs no xarray
    importlib.import_module("insarray.backend")
