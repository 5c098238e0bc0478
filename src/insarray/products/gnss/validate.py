"""`validate`: requirement tests of missions, against GNSS or by pairs of pixels of stable ground."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import xarray as xr

from insarray.kernels.components.pairs import random_pairs
from insarray.model.arguments import number, whole
from insarray.model.choices import Requirement
from insarray.model.errors import ArgumentError, StackError
from insarray.products.components.tracks import map_view, require_line_of_sight
from insarray.products.gnss.given import require_stations
from insarray.products.gnss.stations import (
    along,
    inside,
    lines_of_sight,
    pixel_metres,
    positions,
    sample,
)
from insarray.products.stacks.selection import Raster, good_pixels
from insarray.products.views.stacks import View

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Rule:
    """Requirement of a mission: largest error threshold + slope sqrt(L / km), in the unit of the layer, and share of pairs."""

    layer: str
    threshold: float
    slope: float
    share: float


RULES: dict[str, _Rule] = {
    "nisar_secular": _Rule("velocity", 0.002, 0.0, 0.683),
    "nisar_coseismic": _Rule("displacement", 0.004, 0.004, 0.683),
    "nisar_transient": _Rule("displacement", 0.003, 0.003, 0.683),
    "nisar_permafrost": _Rule("displacement", 0.004, 0.004, 0.80),
    "opera_disp": _Rule("velocity", 0.005, 0.0, 0.683),
}
"""NISAR: secular 2 mm/yr, coseismic 4 (1 + sqrt L) mm, transient 3 (1 + sqrt L) mm, permafrost 4 (1 + sqrt L) mm in 80 %; OPERA: 5 mm/yr."""


def validate(
    data: xr.Dataset,
    gnss: xr.Dataset | None = None,
    *,
    requirement: Requirement = "nisar_secular",
    threshold: float | None = None,
    slope: float | None = None,
    share: float | None = None,
    distances: Sequence[float] = (0.1, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0),
    pairs: int = 10_000,
    seed: int = 0,
    mask: Raster | None = None,
    radius: float = 0.0,
) -> xr.Dataset:
    """Share of pairs of pixels or stations whose relative motion meets a mission's requirement, by distance.

    With stations (method 1): differences between stations, InSAR minus GNSS along the line of sight. Without (method 2):
    differences between random pairs of pixels, on ground known to be stable; any motion there counts as an error, so
    mask areas that deform.

    Parameters
    ----------
    data
        `velocity` (y, x) of a fit, or `displacement` (y, x) between two dates, on a grid with a CRS; with stations also
        `los_east`, `los_north`, `los_up`.
    gnss
        Velocities of stations (`insarray.open_gnss`), or displacements `east`, `north`, `up` (station) between the same dates.
    requirement
        "nisar_secular" (2 mm/yr), "nisar_coseismic" (4 (1 + sqrt L) mm, L in km), "nisar_transient" (3 (1 + sqrt L) mm),
        "nisar_permafrost" (4 (1 + sqrt L) mm in 80 % of the pairs), "opera_disp" (5 mm/yr). All others in 68.3 % of the pairs.
    threshold, slope, share
        Override those of the requirement: the error must be at most threshold + slope sqrt(L), in m/year or m, in this
        share of the pairs.
    distances
        Edges of the bins, km.
    pairs, seed
        Pairs of pixels in each bin, and the seed with which they are drawn.
    mask
        For pairs of pixels: use only pixels where this raster, a file or an array (y, x), is neither 0 nor no-data.
    radius
        For stations: average the pixels within this many metres.

    Returns
    -------
    xarray.Dataset
        (bin): `fraction` of the pairs within the requirement, `number_of_pairs`, `rms` and `median_size` of the differences, `passed`;
        coordinates `distance_from`, `distance_to` in km. Attributes `passed` (all bins that have pairs), `fraction` (of all
        pairs), `requirement`, `method`, `threshold`, `slope`, `share`.

    Raises
    ------
    ArgumentError
        If an option is invalid.
    StackError
        If the data lack a layer that is needed, or there is no pair.

    See Also
    --------
    insarray.compare_gnss : series against stations.
    insarray.plot.validation : plot of the shares.

    References
    ----------
    * NISAR (2018), NASA-ISRO SAR mission science users' handbook, NASA Jet Propulsion Laboratory.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(60, 80), n_dates=6, missing=0, water=False)
    >>> found = ia.validate(0 * truth[["velocity"]], distances=(0.1, 1, 2), pairs=100)
    >>> found.attrs["passed"], found.fraction.values.tolist()
    ('True', [1.0, 1.0])
    """
    if requirement not in get_args(Requirement):
        raise ArgumentError(f"requirement: {requirement!r} is not one of {', '.join(get_args(Requirement))}")
    rule = RULES[requirement]
    rule = _Rule(
        rule.layer,
        _positive("threshold", rule.threshold if threshold is None else threshold),
        _positive("slope", rule.slope if slope is None else slope, least=0.0),
        _positive("share", rule.share if share is None else share),
    )
    edges = _edges(distances)
    pairs, seed = whole("pairs", pairs, 1), whole("seed", seed)
    if not isinstance(data, xr.Dataset) or rule.layer not in data or set(data[rule.layer].dims) != {"y", "x"}:
        raise StackError(
            f"data: has no {rule.layer} (y, x), which {requirement} tests; select one date or fit a velocity"
        )
    if gnss is None:
        view = map_view(data[[rule.layer]], "data") if rule.layer == "velocity" else _plain(data, rule.layer)
        difference, distance = _of_pixels(view, rule.layer, edges, pairs, seed, mask)
    else:
        if mask is not None:
            raise ArgumentError("mask: applies to pairs of pixels, but stations are given; leave out stations instead")
        difference, distance = _of_stations(data, gnss, rule.layer, radius)
    found = _binned(difference, distance, rule, edges)
    method = "pairs of pixels" if gnss is None else "GNSS"
    logger.info("validate: %s by %s, %.1f %% of the pairs", requirement, method, 100 * found.attrs["fraction"])
    about = {"threshold": rule.threshold, "slope": rule.slope, "share": rule.share}
    return found.assign_attrs({"requirement": requirement, "method": method, **about})


def _positive(name: str, value: float, least: float | None = None) -> float:
    value = number(name, value)
    good = np.isfinite(value) and (value > 0 if least is None else value >= least)
    if not good or (name == "share" and value > 1):
        raise ArgumentError(
            f"{name}: {value!r} is not valid; give a positive number" + (" up to 1" if name == "share" else "")
        )
    return float(value)


def _edges(distances: Sequence[float]) -> np.ndarray:
    edges = np.asarray(distances, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all() or not edges[0] >= 0:
        raise ArgumentError(f"distances: {list(distances)!r} are not edges in km, ascending from 0 or more")
    return edges


def _plain(data: xr.Dataset, layer: str) -> View:
    """View of one date of a series: its displacement has no time dimension."""
    return View(data[[layer]].transpose("y", "x"))


def _of_pixels(
    view: View, layer: str, edges: np.ndarray, pairs: int, seed: int, mask: Raster | None
) -> tuple[np.ndarray, np.ndarray]:
    values = view.data[layer].values.astype(np.float64)
    known = np.isfinite(values)
    if mask is not None:
        known &= np.asarray(good_pixels(view, view.data[layer], mask).values, bool)
    size = pixel_metres(view.grid)
    first, second, distance = random_pairs(np.random.default_rng(seed), known, size, 1e3 * edges, pairs)
    if not len(first):
        raise StackError("data: no pair of pixels at these distances; use other distances, or a wider mask")
    flat = values.ravel()
    return flat[second] - flat[first], distance / 1e3


def _of_stations(data: xr.Dataset, gnss: xr.Dataset, layer: str, radius: float) -> tuple[np.ndarray, np.ndarray]:
    require_line_of_sight(data, "data")
    prefix = "velocity_" if layer == "velocity" else ""
    gnss = require_stations(gnss, tuple(f"{prefix}{axis}" for axis in ("east", "north", "up")), "a validation")
    if "time" in gnss.dims:
        raise StackError("gnss: has positions of many days; give the velocities, or the displacement between two dates")
    names = [layer, "los_east", "los_north", "los_up"]
    view = map_view(data[names], "data") if layer == "velocity" else View(data[names].transpose("y", "x"))
    here = inside(view, gnss)
    insar = sample(view, (layer,), here, radius, "mean" if radius else "nearest").values[layer]
    motion, _ = along(lines_of_sight(view, here, radius), here, prefix)
    off = insar - motion
    use = np.flatnonzero(np.isfinite(off))
    if len(use) < 2:
        raise StackError(f"gnss: {len(use)} stations are on pixels with data; a difference needs two")
    rows, cols = positions(view.grid, here)
    size = pixel_metres(view.grid)
    one, other = np.triu_indices(len(use), 1)
    one, other = use[one], use[other]
    distance = np.hypot((rows[other] - rows[one]) * size[0], (cols[other] - cols[one]) * size[1])
    return off[other] - off[one], distance / 1e3


def _binned(difference: np.ndarray, distance: np.ndarray, rule: _Rule, edges: np.ndarray) -> xr.Dataset:
    allowed = rule.threshold + rule.slope * np.sqrt(distance)
    within = np.abs(difference) <= allowed
    at = np.searchsorted(edges, distance, side="right") - 1
    count = len(edges) - 1
    inside_edges = (at >= 0) & (at < count)
    number = np.bincount(at[inside_edges], minlength=count)
    layers: dict[str, np.ndarray] = {"number_of_pairs": number}
    fraction, rms, median = np.full((3, count), np.nan)
    for k in range(count):
        part = at == k
        if part.any():
            fraction[k], rms[k] = within[part].mean(), np.sqrt(np.square(difference[part]).mean())
            median[k] = np.median(np.abs(difference[part]))
    layers |= {"fraction": fraction, "rms": rms, "median_size": median, "passed": fraction >= rule.share}
    unit = "m/year" if rule.layer == "velocity" else "m"
    units = {"rms": unit, "median_size": unit}
    found = xr.Dataset({name: ("bin", values, {"units": units.get(name, "1")}) for name, values in layers.items()})
    places = {"distance_from": ("bin", edges[:-1], {"units": "km"}), "distance_to": ("bin", edges[1:], {"units": "km"})}
    if not number.any():
        raise StackError(f"data: no pair is {edges[0]:g} to {edges[-1]:g} km apart; use other distances")
    known = number > 0
    attrs = {
        "passed": str(bool((fraction[known] >= rule.share).all())),
        "fraction": float(within[inside_edges].mean()),
    }
    return found.assign_coords(places).assign_attrs(attrs)


def table(found: xr.Dataset) -> str:
    """A validation as text."""
    lines = [f"{'km':>12} {'pairs':>8} {'within %':>9} {'rms mm':>8}  "]
    for k in range(found.sizes["bin"]):
        one = found.isel(bin=k)
        span = f"{float(one.distance_from):g}-{float(one.distance_to):g}"
        text = f"{span:>12} {int(one.number_of_pairs):8d}"
        if int(one.number_of_pairs):
            text += f" {100 * float(one.fraction):9.1f} {1e3 * float(one.rms):8.2f}  " + (
                "" if bool(one.passed) else "failed"
            )
        lines.append(text.rstrip())
    attrs = found.attrs
    verdict = "passed" if attrs["passed"] == "True" else "failed"
    lines += [
        "",
        f"{attrs['requirement']} by {attrs['method']}: {verdict}, {100 * attrs['fraction']:.1f} % of all pairs, {100 * attrs['share']:.1f} % required",
    ]
    return "\n".join(lines)
