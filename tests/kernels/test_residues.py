"""Unwrapping of points: known surfaces and residues, a linear program as the judge of the cost, congruence, symmetries."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import linprog

from insarray.kernels.links.arcs import Arcs, delaunay, nearest
from insarray.kernels.unwrapping import residues
from insarray.kernels.unwrapping.residues import common_phase, surroundings, unwrap_points
from insarray.model.errors import ArgumentError, InsarrayError

pytest.importorskip("ortools")

TURN = 2 * np.pi


def wrap(phase):
    return phase - TURN * np.rint(phase / TURN)


def scattered(count=200, seed=0):
    return np.random.default_rng(seed).uniform(0, 100, (2, count))


def smooth(x, y):
    """Two epochs of several cycles with small gradients, (epoch, point)."""
    return np.stack([0.12 * x - 0.08 * y, 20 * np.exp(-((x - 40) ** 2 + (y - 60) ** 2) / 1500)])


def along(phase, arcs):
    return phase[:, arcs.point_b] - phase[:, arcs.point_a]


def rough(count=40, seed=0, epochs=3):
    """Random phases, so full of residues."""
    x, y = scattered(count, seed)
    return delaunay(x, y), np.random.default_rng(seed + 100).uniform(-np.pi, np.pi, (epochs, count))


def test_smooth_surfaces_come_back():
    x, y = scattered(2000)
    truth, triangulation = smooth(x, y), delaunay(x, y)
    assert np.abs(along(truth, triangulation.arcs)).max() > np.pi  # so that something is left to the flow
    found = unwrap_points(wrap(truth), triangulation, reference=7)
    np.testing.assert_allclose(found.phase, truth - truth[:, [7]], atol=1e-9)


def test_a_ramp_without_residues():
    x, y = scattered(400)
    truth = (0.031 * x + 2)[None]  # through pi, but by less than that in all
    found = unwrap_points(wrap(truth), delaunay(x, y))
    np.testing.assert_allclose(found.phase, truth - truth[:, :1], atol=1e-10)
    assert found.residues.tolist() == [0]
    assert not found.cycles.any()


def test_a_step_of_more_than_half_a_cycle_needs_the_guide():
    x, y = np.stack(np.divmod(np.arange(100.0), 10))
    truth = np.where(x > 4.5, 4.0, 0.0)[None]
    triangulation = delaunay(x, y)
    a, b = triangulation.arcs
    alone = unwrap_points(wrap(truth), triangulation)
    assert alone.phase.min() < -2
    guided = unwrap_points(wrap(truth), triangulation, along(truth, triangulation.arcs) - 1.5)
    np.testing.assert_allclose(guided.phase, truth - truth[0, 0], atol=1e-12)
    with_outlier = along(truth, triangulation.arcs)
    with_outlier[0, (a == 44) & (b == 45)] += TURN
    flow = unwrap_points(wrap(truth), triangulation, with_outlier)
    np.testing.assert_allclose(flow.phase, truth - truth[0, 0], atol=1e-12)
    assert flow.residues.tolist() == [2]  # the triangles on both sides of the arc
    assert np.abs(flow.cycles).sum() == 1


def test_the_flow_takes_the_cheap_way():
    """Two residues on a fan of triangles round a centre: the cycle crosses the arcs with the lower costs."""
    angle = np.arange(6) * np.pi / 3
    x, y = np.append(np.cos(angle), 0.0), np.append(np.sin(angle), 0.0)
    triangulation = delaunay(x, y)
    a, b = triangulation.arcs
    guide = np.zeros((1, a.size))
    spokes = (b == 6) & ((a == 1) | (a == 2))
    guide[0, spokes] = TURN  # residues on the far sides of two spokes
    phase = np.zeros((1, 7))
    for cheap in (spokes, ~spokes):
        found = unwrap_points(phase, triangulation, guide, cost=np.where(cheap, 0.1, 1.0))
        assert found.residues.tolist() == [2]
        assert found.cycles[0, cheap].any()
        assert not found.cycles[0, ~cheap].any()


@pytest.mark.parametrize("seed", range(4))
def test_cost_is_the_optimum_of_the_linear_program(seed):
    """Least sum of cost times |cycles| so that all triangles close, by HiGHS; its matrix is unimodular."""
    triangulation, phase = rough(seed=seed)
    arcs = triangulation.arcs.point_a.size
    cost = np.random.default_rng(seed + 9).integers(1, 1001, arcs) / 1000
    cost[0] = 1.0
    found = unwrap_points(phase, triangulation, cost=cost)
    gradient = along(phase, triangulation.arcs)
    whole = np.rint((wrap(gradient) - gradient) / TURN)
    matrix = np.zeros((len(triangulation.side), arcs))
    np.put_along_axis(matrix, triangulation.side, triangulation.direction.astype(float), axis=1)
    for e in range(len(phase)):
        residues = matrix @ whole[e]
        assert np.count_nonzero(residues) == found.residues[e] > 5
        assert not (matrix @ (whole[e] + found.cycles[e])).any()
        best = linprog(np.tile(cost, 2), A_eq=np.hstack([matrix, -matrix]), b_eq=-residues)
        np.testing.assert_allclose(cost @ np.abs(found.cycles[e]), best.fun, rtol=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 3e-6)])
def test_congruence_and_gradients(dtype, tolerance):
    triangulation, phase = rough()
    phase = phase.astype(dtype)
    guide = np.random.default_rng(1).normal(0, 4, (3, triangulation.arcs.point_a.size))
    found = unwrap_points(phase, triangulation, guide, reference=11)
    assert found.phase.dtype == dtype
    assert not found.phase[:, 11].any()
    relative = phase.astype(float) - phase[:, [11]]
    assert np.abs(wrap(found.phase - relative)).max() < tolerance * 20
    # the gradients are those nearest to the guide and the cycles added
    nearest = guide + wrap(along(phase.astype(float), triangulation.arcs) - guide)
    np.testing.assert_allclose(
        along(found.phase, triangulation.arcs), nearest + TURN * found.cycles, atol=20 * tolerance
    )


def test_the_sign_and_the_branch_of_the_input_do_not_matter():
    x, y = scattered(300)
    truth, triangulation = smooth(x, y), delaunay(x, y)
    guide = 0.8 * along(truth, triangulation.arcs)
    straight = unwrap_points(wrap(truth), triangulation, guide)
    flipped = unwrap_points(-wrap(truth), triangulation, -guide)
    np.testing.assert_allclose(flipped.phase, -straight.phase, atol=1e-12)
    cycles = TURN * np.random.default_rng(0).integers(-3, 4, truth.shape)
    other = unwrap_points(truth + cycles, triangulation, guide)
    np.testing.assert_allclose(other.phase, straight.phase, atol=1e-12)


def test_epochs_are_independent_and_the_reference_only_shifts():
    triangulation, phase = rough(60)
    whole = unwrap_points(phase, triangulation)
    for e in range(3):
        np.testing.assert_array_equal(unwrap_points(phase[[e]], triangulation).phase, whole.phase[[e]])
    other = unwrap_points(phase, triangulation, reference=33)
    np.testing.assert_allclose(other.phase, whole.phase - whole.phase[:, [33]], atol=1e-12)


def test_points_on_a_line_and_a_single_point():
    x = np.random.default_rng(0).permutation(50).astype(float)
    truth = (1.5 * x)[None]
    found = unwrap_points(wrap(truth), delaunay(x, 2 * x))
    np.testing.assert_allclose(found.phase, truth - truth[:, :1], atol=1e-12)
    assert unwrap_points(np.ones((2, 1)), delaunay(np.zeros(1), np.zeros(1))).phase.tolist() == [[0.0], [0.0]]


def test_free_arcs_have_a_small_cost():
    triangulation, phase = rough()
    free = unwrap_points(phase, triangulation, cost=np.zeros(triangulation.arcs.point_a.size))
    same = unwrap_points(phase, triangulation)
    np.testing.assert_array_equal(np.abs(free.cycles).sum(axis=1), np.abs(same.cycles).sum(axis=1))


def test_without_ortools_one_line_says_what_to_install(monkeypatch):
    triangulation, phase = rough()
    monkeypatch.setitem(sys.modules, "ortools.graph.python.min_cost_flow", None)
    with pytest.raises(InsarrayError, match=r'pip install "insarray\[unwrap\]"'):
        unwrap_points(phase, triangulation)


def test_a_solver_that_fails_is_an_error(monkeypatch):
    class Stuck:
        OPTIMAL = "optimal"
        add_arcs_with_capacity_and_unit_cost = set_nodes_supplies = lambda *_: np.zeros(1, int)
        solve = lambda _: "infeasible"  # noqa: E731
        flows = lambda *_: 0  # noqa: E731

    monkeypatch.setattr(residues, "flow_module", lambda: SimpleNamespace(SimpleMinCostFlow=Stuck))
    with pytest.raises(InsarrayError, match=r"epoch 0: .*closes all triangles \(infeasible\)"):
        unwrap_points(rough()[1], rough()[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phase": np.zeros((2, 41))}, "phase: 41 points, but the triangulation has 40"),
        ({"phase": np.full((2, 40), np.nan)}, "phase: not finite"),
        ({"guide": np.zeros((2, 3))}, "guide: shape"),
        ({"cost": np.zeros(3)}, "cost: shape"),
        ({"cost": -1}, "cost: -1.0 is below 0"),
        ({"reference": 40}, "reference: 40"),
    ],
)
def test_bad_arguments(change, message):
    triangulation, phase = rough()
    if "cost" in change and not np.ndim(change["cost"]):
        change = {"cost": np.full(triangulation.arcs.point_a.size, -1.0)}
    with pytest.raises(ArgumentError, match=message):
        unwrap_points(**({"phase": phase, "triangulation": triangulation} | change))


def test_guide_takes_out_what_all_epochs_have_in_common():
    """Phases relative to a noisy epoch: over half a cycle between neighbours in all the others, and little else."""
    x, y = scattered(300)
    rng = np.random.default_rng(2)
    truth = np.linspace(-3, 3, 12)[:, None] * smooth(x, y)[1] + rng.normal(0, 2.0, 300)
    truth += rng.normal(0, 0.1, truth.shape)
    triangulation = delaunay(x, y)
    model = np.linspace(-3, 3, 12)[:, None] * smooth(x, y)[1]
    arcs = triangulation.arcs
    predicted = along(model, arcs)
    constant, coherence = common_phase(along(wrap(truth), arcs) - predicted)
    assert constant.shape == (arcs.point_a.size,)
    guide = predicted + constant
    assert coherence.min() > 0.95
    rest = wrap(along(truth, triangulation.arcs) - guide)
    assert np.abs(rest).max() < 1
    np.testing.assert_allclose(np.angle(np.exp(1j * rest).mean(axis=0)), 0, atol=1e-12)
    # noise that is not of all epochs shows in the coherence
    noisy = truth + rng.normal(0, 1.0, truth.shape)
    assert common_phase(along(wrap(noisy), arcs) - predicted)[1].mean() < 0.7
    moved = along(wrap(truth) + rng.normal(size=300), arcs) - predicted + TURN
    np.testing.assert_allclose(common_phase(moved)[1], coherence, atol=1e-12)


def test_surroundings_by_the_definition():
    x, y = scattered(20)
    arcs = nearest(x, y, 4)
    rng = np.random.default_rng(0)
    phase, model = rng.uniform(-3, 3, (2, 7, 20))
    rest, wanted = np.exp(1j * (phase - model)), np.zeros((7, 20), complex)
    for a, b in zip(*arcs, strict=True):
        for own, other in ((a, b), (b, a)):
            mean = np.mean(rest[:, own] / rest[:, other])
            weight = 2 * abs(mean) ** 2 / (1 - abs(mean) ** 4)
            wanted[:, own] += weight * rest[:, other] * mean / abs(mean)
    found = surroundings(phase, model, arcs)
    np.testing.assert_allclose(found, np.angle(wanted), atol=1e-12)
    assert not surroundings(phase, model, Arcs(*np.empty((2, 0), np.int64))).any()
    # exact agreement of neighbours is not an infinite weight
    np.testing.assert_allclose(surroundings(0 * phase, 0 * model, arcs), 0, atol=1e-12)


def test_what_is_missing_does_not_surround_anything():
    """As if the sample, or the point without a model, were not there; its own surroundings are still known."""
    x, y = scattered(20)
    arcs = nearest(x, y, 4)
    rng = np.random.default_rng(0)
    phase, model = rng.uniform(-3, 3, (2, 7, 20))
    whole = surroundings(phase, model, arcs)
    model[:, 5] = np.nan
    found = surroundings(phase, model, arcs)
    touched = np.isin(np.arange(20), np.unique(np.stack(arcs)[:, (arcs.point_a == 5) | (arcs.point_b == 5)]))
    np.testing.assert_allclose(found[:, ~touched], whole[:, ~touched], atol=1e-12)
    keep = (arcs.point_a != 5) & (arcs.point_b != 5)
    np.testing.assert_allclose(
        found, surroundings(phase, np.nan_to_num(model), Arcs(arcs.point_a[keep], arcs.point_b[keep])), atol=1e-12
    )
    # six equal epochs out of seven agree as well as seven
    flat = np.zeros((7, 20))
    flat[3] = np.nan
    assert not surroundings(flat, 0 * flat, arcs).any()
    phase, model = rng.uniform(-3, 3, (2, 7, 20))
    expected = surroundings(np.delete(phase, 3, 0), np.delete(model, 3, 0), arcs)
    phase[3] = np.nan
    np.testing.assert_allclose(np.delete(surroundings(phase, model, arcs), 3, 0), expected, atol=1e-12)


def test_surroundings_hold_the_atmosphere_but_not_the_noise():
    """Left over is the point's own noise, with about half the variance of a difference between two points."""
    x, y = scattered(400)
    rng = np.random.default_rng(1)
    atmosphere = rng.normal(0, 1, (30, 1)) * np.sin(x / 40) + rng.normal(0, 1, (30, 1)) * np.cos(y / 50)
    noise, level = rng.normal(0, 0.4, (30, 400)), rng.uniform(-np.pi, np.pi, 400)
    model = np.linspace(-1, 1, 30)[:, None] * rng.normal(0, 9, 400)
    phase = wrap(model + atmosphere + noise + level)
    arcs = nearest(x, y, 16)
    rest = phase - model - surroundings(phase, model, arcs)
    rest = wrap(rest - np.angle(np.exp(1j * rest).mean(axis=0)))
    over_arcs = wrap(along(phase - model, delaunay(x, y).arcs))
    over_arcs = wrap(over_arcs - np.angle(np.exp(1j * over_arcs).mean(axis=0)))
    assert rest.var() / over_arcs.var() < 0.65
    assert abs(rest.std() - 0.4) < 0.08
