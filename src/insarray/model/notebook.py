"""What a dataset is, as HTML for notebooks: its network as a small picture, and the facts that one asks for first."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.dataset import grid_of, network_of, place_of, reference_in, reference_time_of
from insarray.model.errors import InsarrayError, NetworkError
from insarray.model.grid import Grid
from insarray.model.network import Network
from insarray.model.place import Area
from insarray.model.secrets import shown
from insarray.model.text import one_line

_WIDE, _HIGH, _EDGE = 380, 130, 8  # pixels of the picture
_BANDS = (("X", 0.025, 0.0375), ("C", 0.0375, 0.075), ("S", 0.075, 0.15), ("L", 0.15, 0.30))  # m, IEEE Std 521
_MOST_COUNTED = 50_000_000  # numbers in memory whose valid share is counted
_LAYERS = ("displacement", "unwrapped_phase", "wrapped_phase", "velocity")


def page_of(dataset: xr.Dataset) -> str:
    """HTML about a dataset; nothing is read or computed but what is in memory."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:600;padding-right:1em">{escape(name)}</th>'
        f'<td style="text-align:left">{text}</td></tr>'
        for name, text in _facts(dataset)
    )
    picture = _picture(dataset)
    return (
        '<div class="insarray" style="display:flex;flex-wrap:wrap;gap:1.5em;align-items:flex-start">'
        f"<table>{rows}</table>{picture}</div>"
    )


def network_page(network: Network) -> str:
    """HTML about a network."""
    return f"<div>{escape(repr(network))}<br/>{_svg(network)}</div>"


# -- facts ----------------------------------------------------------------------------------------------------------


def _facts(dataset: xr.Dataset) -> Iterator[tuple[str, str]]:
    """Names and HTML."""
    yield "insarray", _kind(dataset)
    product = dataset.attrs.get("product")
    if product is not None:
        yield "product", _text(product)
    yield from _where(dataset)
    yield from _when(dataset)
    yield from _reference(dataset)
    wavelength = dataset.attrs.get("wavelength")
    if wavelength is not None:
        yield "wavelength", _wavelength(float(wavelength))
    yield "data", _data(dataset)
    share = valid_share(dataset)
    if share is not None:
        yield "valid", f"{100 * share[1]:.1f} % of {escape(share[0])}"
    link = _dashboard()
    if link is not None:
        yield "Dask", f'<a href="{escape(link)}" target="_blank" rel="noopener">dashboard</a>'


def _text(value: object) -> str:
    return escape(one_line(shown(str(value))))


def _kind(dataset: xr.Dataset) -> str:
    of_points = " of points" if "point" in dataset.dims else ""
    if "unwrapped_phase" in dataset:
        return "stack of unwrapped interferograms"
    if "displacement" in dataset and "time" in dataset["displacement"].dims:
        return f"displacement series{of_points}" + (" with a model" if "fit_flag" in dataset else "")
    if "wrapped_phase" in dataset:
        return f"wrapped phases{of_points}"
    if "link" in dataset.dims:
        return "links between points"
    if "loop" in dataset.dims:
        return "closure of loops"
    return f"maps{of_points}" if not of_points else f"model{of_points}"


def _where(dataset: xr.Dataset) -> Iterator[tuple[str, str]]:
    if "point" in dataset.sizes:
        yield "points", f"{dataset.sizes['point']:,}"
    try:
        grid = grid_of(dataset)
    except InsarrayError:
        return
    yield "grid", f"{grid.height} × {grid.width}, pixel {_size(grid)}, {_crs(grid)}"


def _size(grid: Grid) -> str:
    return f"{abs(grid.dy):.6g} × {abs(grid.dx):.6g}"


def _crs(grid: Grid) -> str:
    if grid.crs is None:
        return "radar coordinates"
    from pyproj import CRS

    crs = CRS.from_user_input(grid.crs)
    code = crs.to_epsg()
    return _text(f"EPSG:{code}" if code else crs.name)


def _when(dataset: xr.Dataset) -> Iterator[tuple[str, str]]:
    network = _network(dataset)
    times = network.times if network is not None else None
    if "time" in dataset.coords and dataset["time"].dtype.kind == "M" and dataset["time"].size:
        times = np.sort(np.atleast_1d(dataset["time"].values))
    if times is not None:
        ends = [str(time.astype("datetime64[D]")) for time in (times[0], times[-1])]
        yield "dates", f"{len(times)}, {ends[0]} to {ends[1]}"
    if network is not None:
        pieces = "" if network.n_components == 1 else f", in {network.n_components} pieces that no pair joins"
        yield "pairs", f"{network.n_pairs}{pieces}"


def _network(dataset: xr.Dataset) -> Network | None:
    try:
        return network_of(dataset)
    except InsarrayError:
        return None


def _reference(dataset: xr.Dataset) -> Iterator[tuple[str, str]]:
    place, words = place_of(dataset), []
    if place is not None:
        here = reference_in(dataset)
        if isinstance(here, Area):
            words.append(f"rows {here.row_start}:{here.row_stop}, columns {here.col_start}:{here.col_stop}")
        elif here is not None:
            words.append(f"row {here[0]}, column {here[1]}")
        else:
            words.append("outside of this part")
        position = _lonlat(dataset, place.x, place.y)
        words += [] if position is None else [_position(*position)]
    if "displacement" in dataset:
        with suppress(InsarrayError):
            words.append(str(reference_time_of(dataset))[:10])
    if words:
        yield "reference", "; ".join(words)


def _lonlat(dataset: xr.Dataset, x: float, y: float) -> tuple[float, float] | None:
    try:
        return grid_of(dataset).lonlat_at(x, y)
    except InsarrayError:
        return None


def _position(lon: float, lat: float) -> str:
    return f"{abs(lat):.5f}° {'N' if lat >= 0 else 'S'}, {abs(lon):.5f}° {'E' if lon >= 0 else 'W'}"


def _wavelength(metres: float) -> str:
    band = next((f", {name} band" for name, low, high in _BANDS if low <= metres < high), "")
    return f"{1000 * metres:.5g} mm{band}"


def _data(dataset: xr.Dataset) -> str:
    power = min(max(int(np.log10(max(dataset.nbytes, 1))) // 3, 0), 4)
    size, unit = dataset.nbytes / 1000**power, ("bytes", "kB", "MB", "GB", "TB")[power]
    lazy = any(layer.chunks for layer in dataset.data_vars.values())
    return f"{size:.3g} {unit}, {'lazy' if lazy else 'in memory'}: " + ", ".join(map(_text, dataset.data_vars))


def valid_share(dataset: xr.Dataset) -> tuple[str, float] | None:
    """Layer whose numbers are in memory, and the share of them that are there; None if they would have to be read."""
    for name in _LAYERS:
        if name in dataset:
            variable: Any = dataset[name].variable
            if variable.chunks or not isinstance(variable._data, np.ndarray) or not 0 < variable.size <= _MOST_COUNTED:
                return None
            return name, float(np.isfinite(variable._data).mean())
    return None


def _dashboard() -> str | None:
    """Address of the dashboard of the Dask client that is active, if the program has one."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return str(distributed.default_client().dashboard_link) or None
    except Exception:  # none, or it is gone: a picture of a dataset must not fail of that
        return None


# -- picture --------------------------------------------------------------------------------------------------------


def _picture(dataset: xr.Dataset) -> str:
    network = _network(dataset)
    return "" if network is None else _svg(network)


def _svg(network: Network) -> str:
    """Dates as dots and pairs as lines, in the colour of the text: perpendicular baselines over time, or arcs."""
    days = (network.times - network.times[0]) / np.timedelta64(1, "D")
    x = _scaled(days, _EDGE, _WIDE - _EDGE)
    try:
        height, label = network.date_baselines()[0], "perpendicular baseline over time"
        y = _scaled(-height, _EDGE, _HIGH - _EDGE)
        lines = "".join(f"M{x[i]:.0f} {y[i]:.0f}L{x[j]:.0f} {y[j]:.0f}" for i, j in network.pairs)
    except NetworkError:  # not all known
        label, y = "pairs over time", np.full(len(x), _HIGH - 2.0 * _EDGE)
        longest = max(float(np.ptp(x[network.pairs], axis=1).max()), 1.0)
        tall = 2 * (_HIGH - 4 * _EDGE) / longest  # of the bend of an arc, for its length
        lines = "".join(
            f"M{x[i]:.0f} {y[i]:.0f}Q{(x[i] + x[j]) / 2:.0f} {y[i] - tall * (x[j] - x[i]):.0f} {x[j]:.0f} {y[j]:.0f}"
            for i, j in network.pairs
        )
    faint = min(0.6, 40 / max(network.n_pairs, 1) + 0.1)
    colours = _colours(network)
    dots = "".join(
        f'<circle cx="{a:.0f}" cy="{b:.0f}" r="2.5" fill="{colour}"/>'
        for a, b, colour in zip(x, y, colours, strict=True)
    )
    title = f"{network.n_dates} dates, {network.n_pairs} pairs: {label}"
    return (
        f'<svg role="img" width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" xmlns="http://www.w3.org/2000/svg">'
        f'<title>{title}</title><path d="{lines}" fill="none" stroke="currentColor" stroke-opacity="{faint:.2f}"/>{dots}</svg>'
    )


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    span = float(np.ptp(values))
    return low + (high - low) * (values - values.min()) / span if span else np.full(len(values), (low + high) / 2)


def _colours(network: Network) -> list[str]:
    """Of each date, by the piece of the network that it belongs to."""
    known: Mapping[int, str] = {0: "#1f77b4", 1: "#ff7f0e", 2: "#2ca02c", 3: "#d62728"}
    return [known.get(int(piece), "#9467bd") for piece in network.components()]
