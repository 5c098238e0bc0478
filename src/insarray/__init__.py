"""insarray: InSAR time series from stacks of interferograms, lazily, fast, with honest uncertainty."""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from insarray.engine.plan import plan_run
    from insarray.engine.run import run
    from insarray.faces import plot
    from insarray.faces.export import to_cog, to_netcdf
    from insarray.io.geometry import open_geometry
    from insarray.io.open import open_stack
    from insarray.io.wrapped import open_wrapped
    from insarray.model.errors import InsarrayError
    from insarray.model.grid import Grid
    from insarray.model.network import Network
    from insarray.products.averages import component_counts, temporal_average
    from insarray.products.closure import closure, closure_summary
    from insarray.products.covariance import covariance
    from insarray.products.joining import join
    from insarray.products.motion import predict, remove_terms
    from insarray.products.ramps import deramp, ramp_surface
    from insarray.products.reference import area, find_reference, lonlat
    from insarray.products.rereference import rereference
    from insarray.products.residuals import pair_misfit, residuals
    from insarray.products.stack import mask, select_pairs
    from insarray.products.time_functions import fit
    from insarray.products.timeseries import invert
    from insarray.products.unwrapping import correct_unwrapping, correction_account
    from insarray.simulate import simulate_stack
    from insarray.simulate_points import simulate_wrapped

_HOMES = {
    "Grid": "insarray.model.grid",
    "InsarrayError": "insarray.model.errors",
    "Network": "insarray.model.network",
    "area": "insarray.products.reference",
    "component_counts": "insarray.products.averages",
    "correct_unwrapping": "insarray.products.unwrapping",
    "correction_account": "insarray.products.unwrapping",
    "closure": "insarray.products.closure",
    "closure_summary": "insarray.products.closure",
    "covariance": "insarray.products.covariance",
    "deramp": "insarray.products.ramps",
    "find_reference": "insarray.products.reference",
    "fit": "insarray.products.time_functions",
    "invert": "insarray.products.timeseries",
    "join": "insarray.products.joining",
    "lonlat": "insarray.products.reference",
    "mask": "insarray.products.stack",
    "open_geometry": "insarray.io.geometry",
    "open_stack": "insarray.io.open",
    "open_wrapped": "insarray.io.wrapped",
    "pair_misfit": "insarray.products.residuals",
    "plan_run": "insarray.engine.plan",
    "plot": "insarray.faces.plot",
    "predict": "insarray.products.motion",
    "ramp_surface": "insarray.products.ramps",
    "remove_terms": "insarray.products.motion",
    "rereference": "insarray.products.rereference",
    "residuals": "insarray.products.residuals",
    "run": "insarray.engine.run",
    "select_pairs": "insarray.products.stack",
    "simulate_stack": "insarray.simulate",
    "simulate_wrapped": "insarray.simulate_points",
    "temporal_average": "insarray.products.averages",
    "to_cog": "insarray.faces.export",
    "to_netcdf": "insarray.faces.export",
}

__all__ = [  # noqa: RUF022 - in the order of the work
    "open_stack",
    "open_wrapped",
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
    "covariance",
    "fit",
    "predict",
    "remove_terms",
    "plan_run",
    "run",
    "to_cog",
    "to_netcdf",
    "plot",
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
    module = importlib.import_module(_HOMES[name])
    return module if name == "plot" else getattr(module, name)
