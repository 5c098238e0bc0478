"""Solvers of the unwrapping of points on the same tiles: OR-tools (insarray's), kamui and whirlwind.

    pip install kamui whirlwind-insar
    python benchmarks/solvers.py --shape 128 128 --dates 20

Tiles of the scenes of `wrapped_scenes.py`, unwrapped without a guide and with that of the refined points. All get the
same triangulation and the same whole costs, and one core, in turn. kamui gets the gradients nearest to the guide, which
it closes at the least cost as OR-tools does. whirlwind (`unwrap_sparse`) takes phases and variances of points, not arcs:
it unwraps the phases less those of the model, which are added again.
"""

import argparse
import time
from collections.abc import Callable

import kamui.core
import numpy as np
import whirlwind
import xarray as xr
from wrapped_scenes import SCENES, scene

import insarray as ia
from insarray.engine.blocks import in_one_thread
from insarray.kernels.links.arcs import Triangulation, delaunay
from insarray.kernels.links.periodogram_noise import noise_variance
from insarray.kernels.unwrapping import residues
from insarray.products.points import unwrapping
from insarray.products.points.link_geometry import phase_columns
from insarray.products.points.selection import positions
from insarray.products.views.points import as_points

Array = np.ndarray
TURN = 2 * np.pi


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=2, default=(128, 128))
    parser.add_argument("--dates", type=int, default=20)
    chosen = parser.parse_args()
    print(
        "| scene | guide | solver | time, of OR-tools | cost, of OR-tools | wrong cycles |\n|---|---|---|--:|--:|--:|"
    )
    for name in SCENES:
        wrapped, truth = scene(name, tuple(chosen.shape), chosen.dates)
        points = ia.select_points(wrapped, min_temporal_coherence=0.6).compute()
        links = ia.estimate_links(points, velocity=(-0.1, 0.1), height_error=(-120, 120))
        model = ia.refine_points(points, ia.integrate_links(links, points), height_error=(-120, 120))
        true = truth.unwrapped_phase.values[:, points.row, points.col]
        for guide, used in (("none", None), ("refined points", model)):
            with in_one_thread():
                rows(f"| {name} | {guide}", points, used, true)


def rows(begin: str, points: xr.Dataset, model: xr.Dataset | None, true: Array) -> None:
    """Print the rows of one scene and guide."""
    phase = points.wrapped_phase.values.astype(np.float64)
    triangulation = delaunay(*positions(points))
    arcs = triangulation.arcs
    view = as_points(points)
    columns = phase_columns(view, height_error=model is not None)
    guide = unwrapping._guide(phase, columns, arcs, model, None, None, 1e-3, 0.1)
    predicted = columns.phase(guide.velocity, guide.height_error, *arcs) + guide.constant
    whole = residues._whole_cycles(phase, arcs, predicted)
    left = residues._circulation(whole, triangulation)
    price = np.maximum(np.rint(guide.quality * (1000 / guide.quality.max())), 1).astype(np.int64)

    def ortools() -> Array:
        return whole + residues._cheapest_cycles(left, triangulation, guide.quality)

    def lemon() -> Array:
        return whole + closed_by_kamui(phase, whole, triangulation, price)

    modelled = np.zeros_like(phase)
    if model is not None:
        own = np.arange(phase.shape[1])
        modelled = np.nan_to_num(columns.phase(model.velocity.values, model.height_error.values, own, own))
        modelled -= modelled[:, [0]]

    def sparse() -> Array:
        xy = np.stack(positions(points), axis=1)
        variance = np.ones(phase.shape[1], np.float32)
        if model is not None:
            variance = noise_variance(np.clip(np.nan_to_num(model.point_coherence.values), 0.1, 0.99)).astype(
                np.float32
            )
        rest = np.angle(np.exp(1j * (phase - modelled))).astype(np.float32)
        unwrapped = np.stack([whirlwind.unwrap_sparse(xy, epoch, variance) for epoch in rest]) + modelled
        found = np.rint((unwrapped - phase) / TURN).astype(np.int64)
        return found[:, arcs.point_b] - found[:, arcs.point_a]

    solvers: dict[str, Callable[[], Array]] = {"OR-tools": ortools, "kamui": lemon, "whirlwind": sparse}
    first: tuple[float, float] | None = None
    for name, solve in solvers.items():
        started = time.process_time()
        cycles = solve()
        seconds = time.process_time() - started
        cost = float((np.abs(cycles - whole) * price).sum())
        first = first or (seconds, cost)
        level = residues._along_tree(cycles, arcs, phase.shape[1], 0)
        wrong = np.rint((phase + TURN * level - true) / TURN)
        share = (wrong - np.median(wrong, axis=1, keepdims=True))[1:] != 0
        ratios = f"{seconds / first[0]:.2f} | {cost / max(first[1], 1):.3f}"
        print(f"{begin} | {name} | {ratios} | {100 * share.mean():.2f} % |", flush=True)


def closed_by_kamui(phase: Array, whole: Array, triangulation: Triangulation, price: Array) -> Array:
    """Return the cycles on arcs that close all triangles."""
    arcs, corners = triangulation.arcs, corners_of(triangulation)
    edges = np.stack(arcs, axis=1)
    gradient = (phase[:, arcs.point_b] - phase[:, arcs.point_a]) / TURN + whole
    found = [kamui.core.calculate_k(edges, corners, epoch, weights=price, solver="lemon") for epoch in gradient]
    return np.rint(np.stack(found)).astype(np.int64)


def corners_of(triangulation: Triangulation) -> Array:
    """Return the points of each triangle, counter-clockwise."""
    a, b = (end[triangulation.side] for end in triangulation.arcs)
    return np.where(triangulation.direction == 1, a, b)


if __name__ == "__main__":
    main()
