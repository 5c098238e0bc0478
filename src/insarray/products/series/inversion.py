"""Invert the interferograms of a stack to displacement time series."""

import logging
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from insarray.engine.blocks import Arrays, map_blocks
from insarray.kernels.network.elimination import solve
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.kernels.network.gaps import close_gaps
from insarray.kernels.robust.inversion import ADMM, L1, Robust, robust_method, solve_robust
from insarray.kernels.variance import weight_table
from insarray.model.choices import Gap, Norm, Weights
from insarray.model.conventions import FILL, SIGN, SOLVER_FLAGS, metres_per_radian
from insarray.model.dataset import pair_coords, reference_coords, time_coords
from insarray.model.errors import ArgumentError
from insarray.model.network import Network
from insarray.products.stacks.reference import Asked, reference_phase
from insarray.products.stacks.weighting import INVERSE_VARIANCES, block_coherence, given_weights, weighting
from insarray.products.views.stacks import Phase, StackView, as_stack

logger = logging.getLogger(__name__)

OUTPUTS = (
    "displacement",
    "displacement_std",
    "number_of_observations",
    "network_subset",
    "temporal_coherence",
    "residual_rms",
    "solver_flag",
)

ROBUST_OUTPUTS = ("duality_gap", "number_of_iterations")
"""Additional outputs of robust norms."""


@dataclass(frozen=True)
class Inversion:
    """Constants of `solve_block`, the same for every block."""

    network: Network
    weights: Weights | Literal["given"]
    looks: float | None
    reference: np.ndarray | None
    scale: float
    gap: Gap
    method: Robust | None

    def changes_all(self, before: Network) -> str | None:
        """Return why pixels without new pairs may change when the network `before` is extended; None if they do not.

        A missing pair adds exactly 0 to the sums of the elimination, so it changes no bit as long as the other dates
        are eliminated in the order of the previous network.

        Parameters
        ----------
        before
            Network of the stored series; its pairs are among those of `network`.
        """
        dates = np.flatnonzero(np.isin(self.network.times, before.times))
        if self.method is not None:
            return "norm=l1 and huber take steps that depend on the number of all pairs"
        if self.weights == "given":
            return "the weights were given as an array, which is not compared"
        if self.gap in ("nsbas", "min_norm") and len(dates) < self.network.n_dates:
            return f"gap={self.gap} gives every pixel a value at the new dates"
        if dates[0] != 0:
            return "the first date is another one"
        now, then = (plan_elimination(network.pairs, network.n_dates).order for network in (self.network, before))
        if not np.array_equal(now[np.isin(now, dates)], dates[then]):
            return "the longer network is eliminated in another order of its dates, which changes last bits"
        return None

    def carry(self, before: Network, values: Arrays) -> Arrays:
        """Convert stored results to those of `solve_block` for blocks in which no new pair has a sample.

        Parameters
        ----------
        before
            As in `changes_all`, which returned None.
        values
            Stored results of the block, all of `OUTPUTS`.
        """
        dates = np.isin(self.network.times, before.times)
        carried = dict(values)
        for name, stored in values.items():
            if stored.ndim == 3:
                carried[name] = np.full((len(dates), *stored.shape[1:]), FILL[stored.dtype.name], stored.dtype)
                carried[name][dates] = stored
        used = carried["number_of_observations"].sum(axis=0, dtype=np.int64) // 2  # each pair counts at both its dates
        never = np.zeros(used.shape, bool)
        flag = _solver_flag(used, carried["network_subset"], self.network.n_pairs, never)
        return carried | {"solver_flag": flag}


def invert(
    stack: xr.Dataset,
    *,
    phase: Phase = "unwrapped_phase",
    norm: Norm = "l2",
    weights: Weights | xr.DataArray = "none",
    looks: float | None = None,
    reference: Asked = "check",
    gap: Gap = "nan",
    tolerance: float | None = None,
    max_iterations: int | None = None,
    threshold: float | None = None,
    rho: float | None = None,
    alpha: float | None = None,
    iterations: int | None = None,
) -> xr.Dataset:
    """Invert pairs to displacement time series, by least squares or robust norms, lazily if the stack is lazy.

    Parameters
    ----------
    stack
        Canonical stack with `unwrapped_phase` (pair, y, x) in radians and attribute `wavelength`.
    phase
        Phase to invert: as unwrapped, or with the cycles added by `correct_unwrapping`.
    norm
        "l2": least squares, sum of `w r^2`. "l1": least absolute deviations, sum of `w |r|`, which is insensitive to a
        few pairs with wrong cycles. "huber": squares of small residuals r, absolute values of large ones.
    weights
        Weights of the pairs per pixel: "none", "coherence", "variance" (inverse phase variance of a distributed
        scatterer), "fisher" (its Cramer-Rao form), or a DataArray (pair, y, x) of the w in the formulas above, for "l2"
        and "huber" inverse variances in 1/rad^2. With "l1" the named weights are the square roots of these, as
        residuals count in units of their standard deviation in every norm.
    looks
        Independent looks of the coherence, for "variance" and "fisher"; default: attribute `looks` of the stack.
    reference
        (row, col), `lonlat`, `area` or "auto". "check": assume that the stack is referenced, but raise an error if a
        sample of pixels shows that the pairs have arbitrary constants. None: assume it without a check.
    gap
        Treatment of dates that no pair connects to the first: "nan" leaves them out, "subset" keeps each subset
        relative to its own first date, "nsbas" connects subsets by a common velocity, "min_norm" by the minimum
        velocity (see `insarray.kernels.network.gaps.close_gaps`). All but "nan" accept a disconnected network.
    tolerance
        For "l1" and "huber": certified gap to the optimum, relative to the objective, at which a pixel has converged;
        1e-3.
    max_iterations
        For "l1" and "huber": steps after which a pixel is flagged `not_converged`; 100 and 500.
    threshold
        For "huber": threshold of large residuals, in multiples of their scale (median-based, per pixel); 1.345.
    rho, alpha, iterations
        For "l1", instead of `tolerance`: a fixed number of ADMM steps as published, to reproduce results of others;
        default 0.4, 1.0, 20. The result depends on the unit of the phase (rad) and may be far from the optimum;
        `duality_gap` is an upper bound of the difference.

    Returns
    -------
    xarray.Dataset
        `displacement` (time, y, x) in m toward the satellite, `displacement_std`, `number_of_observations`,
        `network_subset`, and (y, x) `temporal_coherence`, `residual_rms` (rad), `solver_flag`; with "l1" and "huber"
        also `duality_gap` and `number_of_iterations`.

        `displacement_std` follows from the weights if these are inverse variances; with "none" and "coherence" it is
        scaled by the residuals of the pixel, and NaN without redundant pairs. It does not contain the noise of the
        reference point. With "l1" and "huber" it is that of Gaussian noise without outliers; pairs with wrong cycles do
        not increase it.

    Raises
    ------
    ArgumentError, StackError, NetworkError, ReferencePointError
        See the messages; only what the reference needs has been computed by then.

    See Also
    --------
    insarray.fit : fit time functions with standard errors.
    insarray.residuals : residuals of pairs from a series.
    insarray.quality_mask : mask of pixels that pass criteria.
    insarray.run : compute into a store.
    insarray.append : append new pairs to a store.

    References
    ----------
    * Berardino, P., Fornaro, G., Lanari, R. and Sansosti, E. (2002), A new algorithm for surface
      deformation monitoring based on small baseline differential SAR interferograms, IEEE TGRS 40,
      2375-2383.
    * Lopez-Quiroz, P., Doin, M.-P., Tupin, F., Briole, P. and Nicolas, J.-M. (2009), Time series
      analysis of Mexico City subsidence constrained by radar interferometry, J. Applied Geophysics 69, 1-15.
    * Pepe, A. and Lanari, R. (2006), On the extension of the minimum cost flow algorithm for phase
      unwrapping of multitemporal differential SAR interferograms, IEEE TGRS 44, 2374-2383.
    * Portnoy, S. and Koenker, R. (1997), The Gaussian hare and the Laplacian tortoise, Statistical
      Science 12, 279-300.
    * Tough, R. J. A., Blacknell, D. and Quegan, S. (1995), A statistical description of polarimetric and
      interferometric synthetic aperture radar data, Proc. R. Soc. A 449, 567-589.
    * Rodriguez, E. and Martin, J. M. (1992), Theory and design of interferometric synthetic aperture
      radars, IEE Proceedings F 139, 147-159.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> series = ia.invert(stack, weights="variance", looks=20, reference=(9, 12))
    >>> dict(series.displacement.sizes)
    {'time': 6, 'y': 20, 'x': 24}
    >>> float(abs(series.displacement[:, 9, 12]).max())  # at the reference
    0.0
    """
    method = robust_method(
        norm,
        tolerance=tolerance,
        max_iterations=max_iterations,
        threshold=threshold,
        rho=rho,
        alpha=alpha,
        iterations=iterations,
    )
    if gap not in get_args(Gap):
        raise ArgumentError(f"gap: {gap!r} is not one of {', '.join(get_args(Gap))}")
    view = as_stack(stack, phase)
    network = view.network
    if gap == "nan":
        network.require_connected(
            "add pairs, select one piece, or say how to treat it with gap=subset, nsbas, min_norm"
        )
    scale = metres_per_radian(view.require_wavelength())
    inputs, named, looks = weighting(view, weights, looks)
    level = reference_phase(view, reference)
    constants = Inversion(network, named, looks, None if level is None else level.phase, scale, gap, method)
    outputs = OUTPUTS if method is None else OUTPUTS + ROBUST_OUTPUTS
    sizes = {"time": network.n_dates}
    data = map_blocks(solve_block, constants, inputs, outputs, sizes, bytes_per_pixel=_workspace(constants))
    attrs = _attributes(view, constants, norm)
    attrs |= {} if level is None else view.record(level.place)
    coords = time_coords(network) | pair_coords(network) | view.fingerprints
    coords |= reference_coords(None if level is None else level.phase)
    series = view.on_grid(xr.Dataset(data, coords, attrs))
    series.displacement.attrs["ancillary_variables"] = "displacement_std number_of_observations network_subset"
    series.network_subset.attrs["gap"] = gap
    _log(view, constants, norm)
    return series


def _log(view: StackView, task: Inversion, norm: Norm) -> None:
    network, parts = task.network, task.network.n_components
    logger.info(
        "invert: %d pairs of %d dates, norm %s, weights %s", network.n_pairs, network.n_dates, norm, task.weights
    )
    logger.debug(
        "invert: %d redundant pairs, network in %d piece(s); gap %s; looks %s; %s; constants of the pairs %s",
        network.n_pairs - network.n_dates + parts,
        parts,
        task.gap,
        task.looks,
        f"wavelength {view.require_wavelength():g} m",
        "kept" if task.reference is None else "subtracted at the reference",
    )


def solve_block(task: Inversion, arrays: Arrays) -> Arrays:
    """Invert one block; used by notebooks, threads and clusters alike.

    Parameters
    ----------
    task
        Network and options.
    arrays
        `unwrapped_phase` and, if weighted, `coherence` or `weights`; each (pair, y, x).
    """
    phase = arrays["unwrapped_phase"]
    pairs, *pixels = phase.shape
    weights, table = _block_weights(task, arrays)
    plan = plan_elimination(task.network.pairs, task.network.n_dates)
    relative = task.weights not in INVERSE_VARIANCES
    how: dict[str, Any] = {"table": table, "reference": task.reference, "scale": task.scale, "std": True}
    if task.method is None:
        solution = solve(phase, plan, weights, relative=relative, **how)
        robust, given_up = {}, np.zeros(solution.used.shape, bool)
    else:
        solution, certificate = solve_robust(phase, plan, task.method, weights, **how)
        given_up = ~certificate.reached & (solution.used > 0)
        robust = {"duality_gap": certificate.gap, "number_of_iterations": certificate.iterations}
        if relative:
            solution.std[:] = solution.std * certificate.scale
    flag = _solver_flag(solution.used, solution.label, pairs, given_up)
    close_gaps(solution.phase, solution.std, solution.label, task.network.years, task.gap)
    results = {
        "displacement": solution.phase,
        "displacement_std": solution.std,
        "number_of_observations": solution.date_count,
        "network_subset": solution.label,
        "temporal_coherence": solution.temporal_coherence,
        "residual_rms": solution.residual_rms,
        "solver_flag": flag,
        **robust,
    }
    return {name: values.reshape(*values.shape[:-1], *pixels) for name, values in results.items()}


def _block_weights(task: Inversion, arrays: Arrays) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the inverse variances (pair, pixel) of a block, or the coherence and the table that converts it."""
    if task.weights == "none":
        return None, None
    if task.weights != "given":
        return block_coherence(arrays), weight_table(task.weights, task.looks)
    given = given_weights(arrays)
    if isinstance(task.method, L1 | ADMM):
        given = np.where(given > 0, np.square(given, dtype=np.float64), 0.0)  # given as factors of |r|
    return given, None


def _solver_flag(used: np.ndarray, label: np.ndarray, pairs: int, given_up: np.ndarray) -> np.ndarray:
    """Return the index into `SOLVER_FLAGS` of each pixel, from its number of used pairs and its `network_subset`."""
    conditions = {
        "no_data": used == 0,
        "not_converged": given_up,
        "reference_date_missing": label[0] == 0,
        "dates_untied": (label != 1).any(axis=0),
        "missing_pairs": used < pairs,
    }
    values = [np.uint8(SOLVER_FLAGS.index(name)) for name in conditions]
    return np.select(list(conditions.values()), values, np.uint8(SOLVER_FLAGS.index("complete"))).astype(np.uint8)


def _attributes(view: StackView, task: Inversion, norm: str) -> dict[str, Any]:
    attrs: dict[str, Any] = view.inherited | {
        "sign": SIGN,
        "norm": norm,
        "weights": task.weights,
        "gap": task.gap,
        "number_of_pairs": task.network.n_pairs,
        "reference_date": str(task.network.times[0]),
    }
    settings = {} if task.method is None else {f"norm_{name}": value for name, value in asdict(task.method).items()}
    return attrs | settings | ({} if task.looks is None else {"looks": task.looks})


def _workspace(task: Inversion) -> int:
    """Return the working memory of `solve_block` per pixel: squared weights, standard deviations in float64, flags.

    Strips and scratch have the same size in all blocks: some bytes a pair in blocks of usual size.
    """
    squared = 17 if task.weights == "given" and isinstance(task.method, L1 | ADMM) else 0
    scaled = task.method is not None and task.weights not in INVERSE_VARIANCES
    return (squared + 2) * task.network.n_pairs + (10 if scaled else 2) * task.network.n_dates + 32
