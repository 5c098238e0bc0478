"""Bridges between components against simulated truth, brute force, symmetries and MintPy's answer."""

import itertools
import json

import numpy as np
import pytest

from insarray.kernels.unwrapping.bridging import STATES, _rims, bridge_cycles
from insarray.model.errors import ArgumentError

CYCLE = 2 * np.pi


def islands(*boxes, shape=(120, 160)):
    """Labels 1, 2, ... of boxes (top, bottom, left, right), ends not included."""
    labels = np.zeros(shape, np.uint16)
    for k, (top, bottom, left, right) in enumerate(boxes):
        labels[top:bottom, left:right] = k + 1
    return labels


def river(gap=10):
    return islands((0, 120, 0, 90), (0, 120, 90 + gap, 160))


def shifted(smooth, labels, jumps, *, noise=0.0, seed=0):
    """Phase with whole cycles (label: number) added, and NaN outside of components."""
    cycles = np.zeros(int(labels.max()) + 1)
    for label, jump in jumps.items():
        cycles[label] = jump
    phase = smooth + CYCLE * cycles[labels] + np.random.default_rng(seed).normal(0, noise, labels.shape)
    return np.where(labels > 0, phase, np.nan)


def flat(labels):
    return np.zeros(labels.shape)


def ramp(labels, down, right):
    rows, columns = np.indices(labels.shape)
    return down * rows + right * columns


def bowl(labels, row, column, depth=2 * CYCLE, width=70.0):
    rows, columns = np.indices(labels.shape)
    return depth * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))


def cycles_of(bridges):
    return dict(zip(bridges.label.tolist(), bridges.cycles.tolist(), strict=True))


def states_of(bridges):
    return {int(k): STATES[s] for k, s in zip(bridges.label, bridges.state, strict=True)}


# -- known truth ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("surface", ["flat", "ramp", "bowl"])
def test_two_banks_of_a_river(jump, surface):
    labels = river()
    smooth = {"flat": flat(labels), "ramp": ramp(labels, 0.02, -0.06), "bowl": bowl(labels, 50, 60)}[surface]
    bridges = bridge_cycles(shifted(smooth, labels, {2: jump}, noise=0.7), labels)
    assert cycles_of(bridges) == {1: 0, 2: -jump}
    assert states_of(bridges) == {1: "main", 2: "joined"}
    assert bridges.pair.tolist() == [[1, 2]]
    assert bridges.ends.tolist() == [[[59, 89], [59, 100]]]  # the middle one of 120 equally short bridges
    assert bridges.distance.tolist() == [11.0]
    assert abs(bridges.step[0] - jump) < 0.25
    np.testing.assert_allclose(bridges.deviation, abs(bridges.step - jump))


def chain():
    """Five islands in a row, 4 to 12 pixels apart, and the jumps of each."""
    labels = islands((40, 80, 0, 50), (30, 90, 54, 75), (10, 60, 81, 100), (0, 50, 108, 125), (20, 60, 137, 160))
    return labels, {1: 0, 2: 1, 3: -1, 4: 2, 5: 2}


def test_a_chain_adds_up():
    labels, jumps = chain()
    bridges = bridge_cycles(shifted(ramp(labels, 0.01, 0.02), labels, jumps, noise=0.5), labels, main=1)
    assert cycles_of(bridges) == {k: -v for k, v in jumps.items()}
    assert bridges.pair.tolist() == [[1, 2], [2, 3], [3, 4], [4, 5]]
    assert np.rint(bridges.step).tolist() == [1, -2, 3, 0]


@pytest.mark.parametrize("main", [1, 2, 3, 4, 5])
def test_cycles_continue_the_main_component(main):
    labels, jumps = chain()
    phase = shifted(flat(labels), labels, jumps, noise=0.5)
    bridges = bridge_cycles(phase, labels, main=main)
    assert cycles_of(bridges) == {k: jumps[main] - v for k, v in jumps.items()}
    assert states_of(bridges)[main] == "main"
    assert bridges.pair[0, 0] == main
    assert (labels[tuple(bridges.ends.reshape(-1, 2).T)] == bridges.pair.ravel()).all()


def test_the_largest_is_main_by_default_and_of_equals_the_first_in_the_image():
    labels, jumps = chain()
    phase = shifted(flat(labels), labels, jumps)
    assert states_of(bridge_cycles(phase, labels))[1] == "main"
    phase[labels == 1] = np.where(np.indices(labels.shape)[1] < 30, np.nan, phase)[labels == 1]
    assert states_of(bridge_cycles(phase, labels))[2] == "main"  # missing phase does not count
    twins = islands((50, 90, 0, 40), (10, 50, 60, 100))
    assert states_of(bridge_cycles(flat(twins), twins)) == {1: "joined", 2: "main"}


def test_too_small_is_left_alone_and_no_stepping_stone():
    labels = islands((0, 120, 0, 60), (50, 59, 70, 80), (0, 120, 90, 160))
    phase = shifted(flat(labels), labels, {2: 1, 3: 2})
    bridges = bridge_cycles(phase, labels)
    assert states_of(bridges) == {1: "joined", 2: "small", 3: "main"}
    assert cycles_of(bridges) == {1: 2, 2: 0, 3: 0}
    assert bridges.distance.tolist() == [31.0]
    asked = bridge_cycles(phase, labels, min_pixels=90)
    assert cycles_of(asked) == {1: 2, 2: 1, 3: 0}
    assert asked.distance.tolist() == [11.0, 11.0]
    assert states_of(bridge_cycles(phase, labels, min_pixels=91))[2] == "small"
    phase[50, 70] = np.nan
    assert states_of(bridge_cycles(phase, labels, min_pixels=90))[2] == "small"
    assert cycles_of(bridge_cycles(phase, labels, main=2)) == {1: 1, 2: 0, 3: -1}  # main may be small


def test_an_undecidable_bridge_is_reported_with_all_beyond_it():
    labels = islands((0, 120, 0, 60), (0, 50, 66, 90), (0, 50, 130, 160), (60, 120, 130, 160))
    phase = shifted(flat(labels), labels, {2: 1, 3: 1.4, 4: -0.6}, noise=0.3)
    bridges = bridge_cycles(phase, labels)
    assert states_of(bridges) == {1: "main", 2: "joined", 3: "undecided", 4: "undecided"}
    assert cycles_of(bridges) == {1: 0, 2: -1, 3: 0, 4: 0}
    assert bridges.pair.tolist() == [[1, 2], [2, 3], [3, 4]]
    np.testing.assert_allclose(bridges.step, [1, 0.4, -2], atol=0.05)
    np.testing.assert_allclose(bridges.deviation, [0, 0.4, 0], atol=0.05)
    bold = bridge_cycles(phase, labels, tolerance=0.5)
    assert states_of(bold) == {1: "main", 2: "joined", 3: "joined", 4: "joined"}
    assert cycles_of(bold) == {1: 0, 2: -1, 3: -1, 4: 1}


@pytest.mark.parametrize(("tolerance", "state"), [(0.29, "undecided"), (0.31, "joined")])
def test_tolerance_is_the_largest_accepted_deviation(tolerance, state):
    labels = river()
    for sign in (-1, 1):
        bridges = bridge_cycles(shifted(flat(labels), labels, {2: sign * 1.3}), labels, tolerance=tolerance)
        assert states_of(bridges)[2] == state
        assert cycles_of(bridges)[2] == (-sign if state == "joined" else 0)


def test_default_tolerance():
    labels = river()
    states = [states_of(bridge_cycles(shifted(flat(labels), labels, {2: x}), labels))[2] for x in (0.24, 0.26)]
    assert states == ["joined", "undecided"]


def test_radius_is_that_of_the_squares():
    """An error of unwrapping 12 pixels from the river's bank is seen by large squares only, and wins there."""
    labels = river()
    phase = shifted(flat(labels), labels, {})
    phase[:, 100 + 12 :] += CYCLE
    steps = [bridge_cycles(phase, labels, radius=r, slope=False).step[0] for r in (5, 12, 22, 24, 40)]
    np.testing.assert_allclose(steps, [0, 0, 0, 1, 1], atol=1e-9)
    default, fifty = (bridge_cycles(bowl(labels, 0, 0), labels, **kw) for kw in ({}, {"radius": 50}))
    assert default.step == fifty.step


def test_the_common_slope_beats_plain_medians():
    """Random ramps, ramps with an error of unwrapping, and bowls: error of the step, and what is decided wrongly."""
    labels = river(20)
    rng = np.random.default_rng(5)
    errors = {True: [], False: []}
    for case in range(24):
        bent, wrong = case % 3 == 2, case % 3 == 1
        smooth = bowl(labels, *rng.uniform(0, 120, 2)) if bent else ramp(labels, *rng.uniform(-0.15, 0.15, 2))
        phase = shifted(smooth, labels, {2: 1}, noise=0.5, seed=case)
        if wrong:
            phase[40:65, 70:88] += CYCLE
        for slope, found in errors.items():
            found.append(abs(bridge_cycles(phase, labels, slope=slope).step[0] - 1))
    errors = {slope: np.array(found).reshape(-1, 3) for slope, found in errors.items()}
    assert errors[True][:, :2].max() < 0.06
    assert errors[True].max() < 0.25
    assert (errors[False].mean(axis=0) > 5 * errors[True].mean(axis=0)).all()
    assert (errors[False] > 0.5).sum() >= 6
    default = bridge_cycles(phase, labels).step
    assert default == bridge_cycles(phase, labels, slope=True).step


def test_a_slope_that_thin_banks_cannot_show_is_not_invented():
    """Two strips of 2 pixels say nothing about the slope across; along, it does no harm."""
    labels = islands((0, 120, 40, 42), (0, 120, 90, 92))
    worst = 0.0
    for seed in range(20):
        phase = shifted(ramp(labels, 0.05, 0), labels, {2: -1}, noise=1.0, seed=seed)
        worst = max(worst, abs(bridge_cycles(phase, labels).step[0] + 1))
    assert worst < 0.1


def test_single_pixels():
    labels = np.array([[3, 0, 0, 1, 2]])
    bridges = bridge_cycles(CYCLE * np.array([[1.0, 5, 5, 2, 4]]), labels, min_pixels=1, main=3)
    assert cycles_of(bridges) == {1: -1, 2: -3, 3: 0}
    assert bridges.distance.tolist() == [3.0, 1.0]


def test_missing_phase_within_components():
    labels, jumps = chain()
    rng = np.random.default_rng(1)
    phase = shifted(flat(labels), labels, jumps, noise=0.5)
    phase[rng.random(labels.shape) < 0.2] = np.nan
    phase[rng.random(labels.shape) < 0.1] = np.inf
    bridges = bridge_cycles(phase, labels, main=1)
    assert cycles_of(bridges) == {k: -v for k, v in jumps.items()}
    assert np.isfinite(phase[tuple(bridges.ends.reshape(-1, 2).T)]).all()


def test_labels_without_phase_are_small():
    labels, jumps = chain()
    phase = shifted(flat(labels), labels, jumps)
    phase[labels == 3] = np.nan
    bridges = bridge_cycles(phase, labels, min_pixels=1, main=1)
    assert states_of(bridges) == {1: "main", 2: "joined", 3: "small", 4: "joined", 5: "joined"}
    assert cycles_of(bridges) == {1: 0, 2: -1, 3: 0, 4: -2, 5: -2}
    nothing = bridge_cycles(np.full(labels.shape, np.nan), labels)
    assert set(states_of(nothing).values()) == {"small"}
    assert len(nothing.step) == 0


def test_one_component_or_none():
    for labels in (islands((10, 50, 20, 90)), islands((0, 120, 0, 160))):
        bridges = bridge_cycles(np.where(labels > 0, 7.0, np.nan), labels)
        assert cycles_of(bridges) == {1: 0}
        assert states_of(bridges) == {1: "main"}
        assert bridges.pair.shape == (0, 2)
        assert bridges.ends.shape == (0, 2, 2)
    for shape in ((0, 0), (0, 4), (1, 1), (5, 6)):
        bridges = bridge_cycles(np.zeros(shape), np.zeros(shape, int))
        assert all(len(field) == 0 for field in bridges)


# -- brute force ---------------------------------------------------------------------------------------------------


def tree_by_brute_force(labels):
    """{(first end, second end): distance^2} by all pixel pairs, and ties by the rule in the docstring."""
    pixels = np.argwhere(labels > 0)
    names = labels[labels > 0]
    squared = ((pixels[:, None] - pixels[None]) ** 2).sum(axis=2)
    edges = []
    for a, b in itertools.combinations(np.unique(names), 2):
        between = (names[:, None] == a) & (names[None] == b)
        nearest = np.argwhere(between & (squared == squared[between].min()))
        ends = sorted(tuple(sorted(pair)) for pair in nearest.tolist())
        p, q = ends[(len(ends) - 1) // 2]
        edges.append((int(squared[p, q]), p, q))
    group = {k: {k} for k in names.tolist()}
    tree = {}
    for square, p, q in sorted(edges):
        if group[names[p]] is not group[names[q]]:
            both = group[names[p]] | group[names[q]]
            group |= dict.fromkeys(both, both)
            tree[tuple(pixels[p].tolist()), tuple(pixels[q].tolist())] = square
    return tree


def speckled(seed):
    """Random blocks in a small image, in pieces, interleaved, with many ties and holes."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 26, 2))
    labels = np.zeros(shape, np.uint16)
    for k in range(rng.integers(2, 9)):
        for _ in range(rng.integers(1, 4)):
            r, c = rng.integers(0, shape[0]), rng.integers(0, shape[1])
            labels[r : r + rng.integers(1, 9), c : c + rng.integers(1, 9)] = k + 1
    labels[rng.random(shape) < rng.choice([0, 0.1, 0.5])] = 0
    return labels


@pytest.mark.parametrize("part", range(4))
def test_the_tree_of_shortest_bridges_by_brute_force(part):
    joined = 0
    for seed in range(100 * part, 100 * part + 100):
        labels = speckled(seed)
        bridges = bridge_cycles(flat(labels), labels, min_pixels=1)
        expected = tree_by_brute_force(labels)
        places = [tuple(sorted(map(tuple, ends))) for ends in bridges.ends.tolist()]
        found = dict(zip(places, bridges.distance**2, strict=True))
        assert found.keys() == expected.keys(), seed
        assert all(abs(found[k] - expected[k]) < 1e-9 for k in expected)
        joined += len(expected)
    assert joined > 150


def test_holes_within_a_component_are_not_searched():
    """Speckled masks would else make the triangulation slow."""
    labels = river()
    whole = _rims(labels)
    assert np.unique(np.nonzero(whole)[1]).tolist() == [89, 100]
    labels[np.random.default_rng(0).random(labels.shape) < 0.01] = 0
    assert (~np.isin(np.nonzero(_rims(labels))[1], [88, 89, 100, 101])).sum() < 5


# -- symmetries ----------------------------------------------------------------------------------------------------


def noisy(seed):
    """Seven islands with gaps in their numbers, smooth noise and jumps."""
    rng = np.random.default_rng(seed)
    boxes = ((0, 50, 0, 60), (0, 40, 66, 100), (0, 45, 110, 160), (58, 120, 0, 40))
    boxes += ((60, 120, 48, 90), (50, 80, 97, 160), (90, 120, 100, 160))
    labels = islands(*boxes)
    numbers = np.concatenate([[0], rng.choice(np.arange(1, 40), 7, replace=False)]).astype(np.uint16)
    jumps = {int(k): int(rng.integers(-3, 4)) for k in numbers[1:]}
    labels = numbers[labels]
    smooth = ramp(labels, *rng.uniform(-0.08, 0.08, 2)) + bowl(labels, *rng.uniform(0, 120, 2), width=50)
    return shifted(smooth, labels, jumps, noise=0.5, seed=seed), labels, rng


@pytest.mark.parametrize("seed", range(4))
def test_adding_whole_cycles_is_undone(seed):
    phase, labels, rng = noisy(seed)
    before = bridge_cycles(phase, labels, tolerance=0.5)
    added = rng.integers(-5, 6, 40)
    after = bridge_cycles(phase + CYCLE * added[labels], labels, tolerance=0.5)
    main = before.label[before.state == 0][0]
    np.testing.assert_array_equal(after.cycles - before.cycles, added[main] - added[before.label])
    np.testing.assert_allclose(after.deviation, before.deviation, atol=1e-9)
    np.testing.assert_array_equal(after.state, before.state)


@pytest.mark.parametrize("seed", range(4))
def test_the_opposite_sign_negates(seed):
    phase, labels, _ = noisy(seed)
    one, other = bridge_cycles(phase, labels), bridge_cycles(-phase, labels)
    np.testing.assert_array_equal(other.cycles, -one.cycles)
    np.testing.assert_array_equal(other.state, one.state)
    np.testing.assert_array_equal(other.ends, one.ends)
    np.testing.assert_allclose(other.step, -one.step, atol=1e-12)
    assert one.cycles.any()


@pytest.mark.parametrize("seed", range(4))
def test_numbers_of_labels_do_not_matter(seed):
    phase, labels, rng = noisy(seed)
    number = np.concatenate([[0], 1 + rng.permutation(60000)[:39]]).astype(np.uint16)
    one, other = bridge_cycles(phase, labels), bridge_cycles(phase, number[labels])
    for kind in (cycles_of, states_of):
        assert kind(other) == {int(number[k]): v for k, v in kind(one).items()}
    by_place = [sorted(zip(b.ends.tolist(), b.step.tolist(), strict=True)) for b in (one, other)]
    assert by_place[0] == by_place[1]


def test_types_of_input():
    phase, labels, _ = noisy(0)
    expected = bridge_cycles(phase.astype(np.float32).astype(float), labels)
    for kind in (np.uint8, np.int16, np.int64, np.uint64):
        single = bridge_cycles(phase.astype(np.float32), labels.astype(kind))
        for one, other in zip(single, expected, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


def test_inputs_are_left_as_they_are():
    phase, labels, _ = noisy(0)
    copies = phase.copy(), labels.copy()
    bridge_cycles(phase, labels, min_pixels=2500)
    np.testing.assert_array_equal(phase, copies[0])
    np.testing.assert_array_equal(labels, copies[1])


# -- arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phase": np.zeros((3, 3, 3))}, "phase: float64 of shape .* not an image"),
        ({"phase": np.zeros((120, 160), complex)}, "phase: complex128"),
        ({"labels": np.zeros((3, 3), int)}, r"labels: shape \(3, 3\) differs"),
        ({"labels": np.zeros((120, 160))}, "labels: float64 is not"),
        ({"labels": np.zeros((120, 160), bool)}, "labels: bool is not"),
        ({"labels": np.full((120, 160), -1)}, "labels: -1 to -1 is outside"),
        ({"labels": np.full((120, 160), 65536)}, "labels: 65536 to 65536 is outside"),
        ({"main": 0}, "main: no pixel .* label 0; first labels found: 1 2"),
        ({"main": 3}, "main: no pixel .* label 3"),
        ({"main": -1}, "main: no pixel .* label -1"),
        ({"main": 70000}, "main: no pixel .* label 70000"),
        ({"main": 1.5}, "main: no pixel .* label 1.5"),
        ({"main": 1, "phase": np.full((120, 160), np.nan)}, "first labels found: none"),
        ({"radius": 0}, "radius: 0 is not"),
        ({"radius": 2.5}, "radius: 2.5 is not"),
        ({"min_pixels": 0}, "min_pixels: 0 is not"),
        ({"tolerance": 0}, "tolerance: 0 is not"),
        ({"tolerance": 0.6}, "tolerance: 0.6 is not"),
        ({"tolerance": np.nan}, "tolerance: nan is not"),
    ],
)
def test_bad_arguments(change, message):
    labels = river()
    arguments = {"phase": flat(labels), "labels": labels} | change
    with pytest.raises(ArgumentError, match=message) as caught:
        bridge_cycles(**arguments)
    assert "\n" not in str(caught.value)


# -- MintPy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("case", "slope"), [("None", False), ("linear", True)])
def test_mintpy_bridging(golden, case, slope):
    """Cycles of all components and the joined pairs are the same, and the truth.

    MintPy also subtracts the phase at the reference pixel, so its correction is taken relative to that of the main
    component. It erodes components by 2 pixels to each side, so its bridges are 4 pixels longer; and of equally short
    ones it takes the first. It gives the 4 pixels of component 4 no label, as they are too few here.
    """
    data = np.load(golden / "mintpy_conncomp_ramp.npz")
    phase, labels = data["unw"], data["conncomp"]
    main = int(labels[tuple(data["ref_yx"])])
    bridges = bridge_cycles(phase, labels, main=main, slope=slope)
    assert states_of(bridges) == {1: "main", 2: "joined", 3: "joined", 4: "small"}
    cycles = np.zeros(5)
    cycles[bridges.label] = bridges.cycles
    assert cycles.tolist() == [0, 0, -1, 2, 0]
    used = labels > 0
    theirs = data[f"bridging/{case}/unw_cor"] - phase
    np.testing.assert_allclose(theirs[used] + phase[tuple(data["ref_yx"])], CYCLE * cycles[labels[used]], atol=2e-6)
    np.testing.assert_allclose(CYCLE * cycles[labels], -data["jump_true"], atol=2e-6)
    np.testing.assert_array_equal(data[f"bridging/{case}/labelImg"] > 0, used & (labels != 4))
    listed = json.loads(str(data[f"bridging/{case}/bridges_json"]))
    assert [[bridge["label0"], bridge["label1"]] for bridge in listed] == bridges.pair.tolist()
    assert [bridge["distance"] - 4 for bridge in listed] == bridges.distance.tolist()
    assert (bridges.deviation < (0.07 if slope else 0.2)).all()
