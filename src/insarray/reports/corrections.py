"""Corrections of a result: what each took from every date, and maps of the date from which they took most."""

import logging
from typing import Any

import numpy as np
import xarray as xr

from insarray.model.corrections import ATTRIBUTES, UNCORRECTED, applied
from insarray.model.errors import StackError
from insarray.products.corrections.assess import assess_corrections
from insarray.reports import pictures
from insarray.reports.thinning import Sampling, thinned

logger = logging.getLogger(__name__)

_RAW = UNCORRECTED["displacement"]
_SIDE = 120  # pixels of the maps by which dates are compared
_MOST = 7  # corrections that are drawn


def corrections_of(dataset: xr.Dataset, sampling: Sampling) -> dict[str, Any] | None:
    """Table and picture of the corrections that a series keeps beside the data before; None if it keeps none.

    Parameters
    ----------
    dataset
        Result with `displacement` and what it was made of.
    sampling
        Of the maps that are drawn.
    """
    names = [name for name in applied(dataset.attrs) if name in dataset]
    if not names or _RAW not in dataset or "displacement" not in dataset:
        return None
    names = names[:_MOST]
    coarse = Sampling(sampling.shape, max(sampling.step, -(-max(sampling.shape) // _SIDE)))
    columns = {"before": _RAW, **{name: name for name in names}, "after": "displacement"}
    thin = thinned(dataset, list(columns.values()), coarse)
    spread = {column: _spread(thin[name]) for column, name in columns.items()}
    taken = np.sqrt(sum((np.nan_to_num(spread[name]) ** 2 for name in names), np.zeros(dataset.sizes["time"])))
    worst = int(np.argmax(taken))
    dates = [str(time)[:10] for time in dataset.time.values]
    rows = [[date, *(_shown(values[k]) for values in spread.values())] for k, date in enumerate(dates)]
    mean = ["root mean square", *(_shown(_rms(values)) for values in spread.values())]
    maps = thinned(dataset.isel(time=worst), list(columns.values()), sampling)
    stacked = np.stack([maps[name].transpose("y", "x").values for name in columns.values()])
    planes = xr.DataArray(stacked, dims=("panel", "y", "x"), attrs=dataset["displacement"].attrs)
    picture = pictures.panels_picture(maps, planes, [column.replace("_", " ") for column in columns], "corrections")
    return {
        "assessed": _assessed(dataset, names),
        "columns": list(columns),
        "rows": rows,
        "mean": mean,
        "date": dates[worst],
        "svg": picture,
        "of": coarse.text(),
    }


def _assessed(dataset: xr.Dataset, names: list[str]) -> dict[str, Any] | None:
    """Verdicts on the corrections, with a picture of all of them together; None if there are too few pixels for any."""
    before = dataset[["displacement"]].assign(displacement=dataset[_RAW].variable)
    attrs = {key: value for key, value in dataset.attrs.items() if key not in ATTRIBUTES}
    try:
        found = assess_corrections(before.drop_attrs(deep=False).assign_attrs(attrs), dataset[names])
    except StackError as error:
        logger.info("report: the corrections are not assessed: %s", error)
        return None
    meanings = str(found["verdict"].attrs["flag_meanings"]).split()
    rows = []
    for name in found["correction"].values:
        one = found.sel(correction=name)
        counts = [int((one["verdict"] == number).sum()) for number in range(len(meanings))]
        rows.append(
            [str(name), *(_shown(1e3 * _rms(one[part].values)) for part in ("std_before", "std_after")), *counts]
        )
    picture = pictures.assessment_picture(found)
    return {"columns": ["correction", "before", "after", *meanings], "rows": rows, "svg": picture}


def _spread(layer: xr.DataArray) -> np.ndarray:
    """Standard deviation over the pixels of each date, mm; NaN without data."""
    values = layer.transpose("time", ...).values.reshape(layer.sizes["time"], -1).astype(np.float64)
    count = np.isfinite(values).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=1) / count
        return np.asarray(1e3 * np.sqrt(np.nansum((values - mean[:, None]) ** 2, axis=1) / count))


def _rms(values: np.ndarray) -> float:
    found = values[np.isfinite(values)]
    return float(np.sqrt((found**2).mean())) if found.size else float("nan")


def _shown(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "-"
