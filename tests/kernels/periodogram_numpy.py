"""Peak of the periodogram of links with NumPy, float64 throughout: what the compiled search is tested against."""

import dataclasses

import numpy as np

from insarray.kernels.links import periodogram, periodogram_search
from insarray.kernels.links.periodogram_problem import (
    APART,
    CANDIDATES,
    DOUBLE_STEPS,
    INVISIBLE,
    MOST_LOST,
    SINGLE_STEPS,
    STEP,
    Array,
    LinkFlag,
    Peaks,
    Problem,
    allocate,
    lattice_caps,
)

_BYTES = 16_000_000  # of the largest array
_LEAST, _MOST = 1e-3, 1 - 1e-6  # g is taken to lie between them where it is divided by or by 1 - g
_DONE = 1e-8  # a step shorter than this (rad rms) is the last one


@dataclasses.dataclass(frozen=True)
class _Links:
    """Some links, arrays (link, epoch) or (link,) or (2, link)."""

    problem: Problem
    phase: Array  # less the model at the middle of the ranges
    weight: Array  # sum 1
    height: Array
    effective: Array
    number: Array
    moment: Array  # (3, link)
    half: Array  # 0 where the height is left out
    flag: Array
    precision: Array  # of the prior, over the number of rows

    def value(self, position: Array, coherence: Array) -> Array:
        """Function to climb: coherence, or with a prior artanh(g**2) less half the distance from the prior."""
        if not self.problem.has_prior:
            return coherence
        x = position + np.array(self.problem.middle)[:, None]
        near = np.clip(coherence, 0.0, _MOST)
        value: Array = np.arctanh(near**2) - 0.5 * (self.precision * x * x).sum(axis=0)
        return value


def search(problem: Problem) -> Peaks:
    """Highest peak of every link."""
    epochs, links = problem.phase.shape
    peaks = allocate(links)
    velocities, heights = lattice_caps(problem)
    largest = 16 * max(velocities * max(epochs, 2 * heights), 2 * heights * epochs)
    size = max(1, _BYTES // largest)
    for first in range(0, links, size):
        part = slice(first, first + size)
        for result, found in zip(peaks, _search(_describe(problem, part)), strict=True):
            result[..., part] = found
    return peaks


def _describe(problem: Problem, part: slice) -> _Links:
    """Clean samples, normalised weights, moments of the columns, and what the rows determine."""
    r = problem.phase[:, part].T.astype(np.float64)
    w, b = (
        np.broadcast_to(given.T if given.shape[1] == 1 else given[:, part].T, r.shape).astype(np.float64)
        for given in (problem.weight, problem.height)
    )
    a = problem.time
    good = np.isfinite(r) & np.isfinite(b) & np.isfinite(w) & (w > 0)
    r, w, b = (np.where(good, given, 0.0) for given in (r, w, b))
    r = np.where(good, r - a * problem.middle[0] - b * problem.middle[1], 0.0)
    total, number = w.sum(axis=1), good.sum(axis=1)
    safe = np.where(number > 0, total, 1.0)
    effective = safe**2 / np.where(number > 0, (w * w).sum(axis=1), 1.0)
    w = w / safe[:, None]
    x = a - (w @ a)[:, None] if problem.common else np.broadcast_to(a, r.shape)
    if problem.common:
        b = b - (w * b).sum(axis=1)[:, None]
    moment = np.stack([(w * x * x).sum(axis=1), (w * b * b).sum(axis=1), (w * x * b).sum(axis=1)])
    half = np.broadcast_to(np.array(problem.half)[:, None], (2, len(r))).copy()
    left_out = ~(2 * half[1] * np.sqrt(moment[1]) >= INVISIBLE)
    own = moment[:2] - np.where(left_out, 0.0, moment[2] ** 2 / np.where(moment[:2] > 0, moment[:2], 1.0)[::-1])
    seen = 2 * half * np.sqrt(np.maximum(own, 0.0)) >= INVISIBLE
    flag = np.where(left_out & (half[1] > 0), int(LinkFlag.HEIGHT_UNDETERMINED), 0)
    flag = np.where(seen[0] & (seen[1] | left_out), flag, int(LinkFlag.VELOCITY_UNDETERMINED))
    flag = np.where(number <= 2 - left_out + problem.common, int(LinkFlag.TOO_FEW_EPOCHS), flag)
    half[1, left_out] = 0.0
    moment[1:, left_out] = 0.0
    b = np.where(left_out[:, None], 0.0, b)
    precision = np.array(problem.precision)[:, None] / np.maximum(number, 1) * [np.ones(len(r)), ~left_out]
    return _Links(problem, r, w, b, effective, number, moment, half, flag, precision)


def _search(links: _Links) -> Peaks:
    start, level = _candidates(links)
    position, coherence = np.empty_like(start), np.full(level.shape, -np.inf)
    own = np.sqrt(links.moment[0] * links.moment[1])
    lost = MOST_LOST * (1 + np.abs(links.moment[2]) / np.where(own > 0, own, 1.0))
    for k in range(CANDIDATES):
        wanted = np.isfinite(level[k])
        if k > 1 and not links.problem.has_prior:
            wanted &= level[k] + lost > coherence[:2].max(axis=0)
        position[k], found = _climb(links, start[k], SINGLE_STEPS + DOUBLE_STEPS, wanted)
        coherence[k] = np.where(wanted, found, -np.inf)
    each = np.arange(level.shape[1])
    value = np.stack([links.value(x, g) for x, g in zip(position, coherence, strict=True)])
    best = np.where(np.isfinite(coherence), value, -np.inf).argmax(axis=0)
    x, g = position[best, :, each].T, coherence[best, each]
    away = ((position - x) ** 2 * links.moment[:2]).sum(axis=1)
    second = np.where(away > APART**2, coherence, 0.0).max(axis=0, initial=0.0)
    at = (np.abs(x) >= links.half) & (links.half > 0)
    bound = at[0] * int(LinkFlag.VELOCITY_AT_BOUND) + at[1] * int(LinkFlag.HEIGHT_AT_BOUND)
    state = links.flag + np.where(links.flag <= LinkFlag.HEIGHT_UNDETERMINED, bound, 0)
    middle = np.array(links.problem.middle)[:, None]
    return Peaks(middle + x, g, second, links.number, links.effective, links.moment, state)


def _candidates(links: _Links) -> tuple[Array, Array]:
    """Positions (candidate, 2, link) of the highest local maxima of each link's lattice, and their coherence."""
    problem, half = links.problem, links.half
    spread = half * np.sqrt(links.moment[:2])
    counts = np.maximum(np.ceil(2 * spread[0] / STEP), 1).astype(int) + 1
    pairs = np.maximum(np.ceil(spread[1] / STEP + 0.5), 1).astype(int)
    step = np.stack([2 * half[0] / (counts - 1), half[1] / (pairs - 0.5)])
    velocity = step[0][:, None] * np.arange(counts.max()) - half[0][:, None]
    number = np.arange(2 * pairs.max()) - pairs.max() + 0.5
    height = step[1][:, None] * number
    first = links.weight * np.exp(1j * (links.phase - problem.time * velocity[:, :1]))
    left = _multiples(first, np.exp(-1j * problem.time * step[0][:, None]), counts.max())
    first = np.exp(-1j * links.height * height[:, :1])
    right = _multiples(first, np.exp(-1j * links.height * step[1][:, None]), len(number))
    total = left @ right.transpose(0, 2, 1)
    coherence = np.abs(total) if problem.common else total.real
    level = coherence
    if problem.has_prior:
        near = np.clip(coherence, 0.0, _MOST)
        level = np.arctanh(near**2)
        for axis, (values, shape) in enumerate([(velocity, (slice(None), None)), (height, (None, slice(None)))]):
            away = np.maximum(np.abs(values + problem.middle[axis]) - 0.5 * step[axis][:, None], 0.0)
            level = level - 0.5 * (away**2 * links.precision[axis][:, None])[(slice(None), *shape)]
    inside = (np.arange(counts.max()) < counts[:, None])[:, :, None] & (np.abs(number) < pairs[:, None])[:, None, :]
    level = _peaks(np.where(inside, level, -np.inf)).reshape(len(counts), -1)
    each = np.arange(len(counts))
    start, found = np.empty((CANDIDATES, 2, len(counts))), np.empty((CANDIDATES, len(counts)))
    for k in range(CANDIDATES):
        node = level.argmax(axis=1)
        found[k] = np.where(np.isfinite(level[each, node]), coherence.reshape(len(counts), -1)[each, node], -np.inf)
        level[each, node] = -np.inf
        i, j = np.divmod(node, len(number))
        start[k] = np.clip([velocity[each, i], height[each, j]], -half, half)
    return start, found


def _multiples(first: Array, turn: Array, count: int) -> Array:
    """Phasors (link, multiple, epoch) that each turn is applied to once more than to the one before."""
    phasors = np.empty((len(first), count, first.shape[1]), np.complex128)
    phasors[:, 0] = first
    for k in range(1, count):
        np.multiply(phasors[:, k - 1], turn, out=phasors[:, k])
    return phasors


def _peaks(level: Array) -> Array:
    """Level where it is a maximum among its eight neighbours, else -inf; of equal ones the first."""
    padded = np.pad(level, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    rows, columns = level.shape[1:]
    keep = np.ones(level.shape, np.bool_)
    for i, j in [(i, j) for i in (0, 1, 2) for j in (0, 1, 2) if (i, j) != (1, 1)]:
        other = padded[:, i : i + rows, j : j + columns]
        keep &= level > other if (i, j) < (1, 1) else level >= other
    return np.where(keep, level, -np.inf)


def _climb(links: _Links, start: Array, most: int, wanted: Array) -> tuple[Array, Array]:
    """Positions (2, link) after the climb from `start`, and the coherence before the last step."""
    x, coherence = start.copy(), np.full(start.shape[1], -np.inf)
    active = wanted & (links.flag <= LinkFlag.HEIGHT_UNDETERMINED)
    coherence[wanted & ~active] = 0.0  # of links without a result
    for _ in range(most):
        if not active.any():
            break
        some = np.flatnonzero(active)
        g, gradient, hessian, factor = _slopes(links, x[:, some], some)
        moved = _step(links, x[:, some], some, gradient, hessian, factor)
        length = ((moved - x[:, some]) ** 2 * links.moment[:2, some]).sum(axis=0)
        x[:, some], coherence[some] = moved, g
        active[some] = length > _DONE**2
    return x, coherence


def _slopes(links: _Links, x: Array, some: Array) -> tuple[Array, Array, Array, Array]:
    """Objective g, gradient (2), Hessian (xx, xy, yy) of what is climbed, slope of artanh(g**2); see the compiled one."""
    problem, b = links.problem, links.height[some]
    a = np.broadcast_to(problem.time, b.shape)
    wave = links.weight[some] * np.exp(1j * (links.phase[some] - a * x[0][:, None] - b * x[1][:, None]))
    total = wave.sum(axis=1)
    g = np.abs(total) if problem.common else total.real
    inverse = 1 / (g + 1e-15) if problem.common else np.zeros_like(g)
    if problem.common:
        wave = wave * (total.conj() * inverse)[:, None]
    gradient = np.stack([(c * wave.imag).sum(axis=1) for c in (a, b)])
    q = np.stack([(c * wave.real).sum(axis=1) for c in (a, b)])
    products = ((0, 0, a * a), (0, 1, a * b), (1, 1, b * b))
    hessian = np.stack([q[i] * q[j] * inverse - (c * wave.real).sum(axis=1) for i, j, c in products])
    factor = np.ones_like(g)
    if problem.has_prior:
        near = np.clip(g, _LEAST, _MOST)
        factor, bend = 2 * near / (1 - near**4), (2 + 6 * near**4) / (1 - near**4) ** 2
        p = links.precision[:, some]
        curved = np.stack([gradient[i] * gradient[j] for i, j, _ in products])
        hessian = factor * hessian + bend * curved - np.stack([p[0], np.zeros_like(g), p[1]])
        gradient = factor * gradient - p * (x + np.array(problem.middle)[:, None])
    return g, gradient, hessian, factor


def _step(links: _Links, x: Array, some: Array, gradient: Array, hessian: Array, factor: Array) -> Array:
    """New positions: Newton's step where it can be trusted, else that of the quadratic below the function."""
    half, moment, prior = links.half[:, some], links.moment[:, some], links.precision[:, some]
    held = ((x <= -half) & (gradient <= 0)) | ((x >= half) & (gradient >= 0))
    gradient = np.where(held, 0.0, gradient)

    def solve(xx: Array, xy: Array, yy: Array) -> tuple[Array, Array, Array]:
        xx, yy = np.where(held[0], 1.0, xx), np.where(held[1], 1.0, yy)
        xy = np.where(held.any(axis=0), 0.0, xy)
        det = xx * yy - xy * xy
        step = np.stack([yy * gradient[0] - xy * gradient[1], xx * gradient[1] - xy * gradient[0]])
        return step / np.where(det == 0, 1.0, det), xx, det

    newton, xx, det = solve(*-hessian)
    below, _, _ = solve(factor * moment[0] + prior[0], factor * moment[2], factor * moment[1] + prior[1])
    trusted = (xx > 0) & (det > 0) & ((newton**2 * moment[:2]).max(axis=0) < 0.25)
    moved: Array = np.clip(x + np.where(trusted, newton, below), -half, half)
    return moved


def estimate_links(*arguments, backend="numba", **options):
    """`insarray.kernels.links.periodogram.estimate_links` by one search or the other."""
    searches = {"numba": periodogram_search.search, "numpy": search}
    return periodogram.estimate_links(*arguments, search=searches[backend], **options)
