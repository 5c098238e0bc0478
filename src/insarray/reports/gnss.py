"""Section of a report: a series against GNSS stations, the surface by which it was tied to them, requirements."""

from typing import Any

import numpy as np
import xarray as xr

from insarray.model.errors import ArgumentError
from insarray.reports import pictures

_COLUMNS = ("station", "dates", "rms (mm)", "trend (mm/yr)", "correlation", "pixels", "distance (m)")
_BINS = ("distance (km)", "pairs", "within (%)", "rms (mm)", "")
_MOST = 24  # stations that are drawn
_NEEDED = {
    "gnss": ("insarray.compare_gnss", ("rms_of_station", "trend_of_station", "difference", "number_of_dates")),
    "validation": ("insarray.validate", ("number_of_pairs", "fraction", "passed")),
}


def gnss_of(
    dataset: xr.Dataset, gnss: xr.Dataset | None = None, validation: xr.Dataset | None = None
) -> dict[str, Any] | None:
    """Content of the section; None if there is nothing to say.

    Parameters
    ----------
    dataset
        The result, whose attributes say whether it was tied.
    gnss
        Output of `insarray.compare_gnss`.
    validation
        Output of `insarray.validate`.

    Raises
    ------
    ArgumentError
        If one is something else.
    """
    for name, found in (("gnss", gnss), ("validation", validation)):
        maker, needed = _NEEDED[name]
        if found is not None and not (isinstance(found, xr.Dataset) and all(layer in found for layer in needed)):
            raise ArgumentError(f"{name}: is no output of {maker}; make it first")
    tie = _tie(dataset)
    if gnss is None and validation is None and not tie:
        return None
    return {
        "tie": tie,
        "compared": None if gnss is None else _compared(gnss),
        "validated": None if validation is None else _validated(validation),
    }


def _tie(dataset: xr.Dataset) -> list[tuple[str, str]]:
    """What is recorded of a tie to GNSS, and of the surfaces of merged tracks."""
    attrs = dataset.attrs
    rows = []
    if "gnss_tie" in attrs:
        unit = "mm/yr" if "velocity" in dataset and "displacement" not in dataset else "mm"
        rows = [("surface subtracted", str(attrs["gnss_tie"])), ("vertical motion of GNSS", str(attrs["gnss_tie_up"]))]
        rows += [
            (name, str(attrs[key]))
            for key, name in (("gnss_tie_stations", "stations"), ("gnss_tie_pixels", "pixels of maps"))
            if key in attrs
        ]
        rows.append(("robust deviation after it", f"{1e3 * float(attrs['gnss_tie_deviation']):.2f} {unit}"))
    if "reference_frame" in attrs:
        rows.append(("reference frame", str(attrs["reference_frame"])))
    return rows


def _compared(found: xr.Dataset) -> dict[str, Any]:
    numbers = (
        found["number_of_dates"].values,
        1e3 * found["rms_of_station"].values,
        1e3 * found["trend_of_station"].values,
        found["correlation_of_station"].values,
        found["number_of_pixels"].values,
        found["distance"].values,
    )
    forms = ("d", ".2f", ".2f", ".2f", "d", ".0f")
    rows = [
        [str(name), *(_shown(of[k], form) for of, form in zip(numbers, forms, strict=True))]
        for k, name in enumerate(found["station"].values)
    ]
    worst = np.argsort(-np.nan_to_num(found["rms_of_station"].values), kind="stable")[:_MOST]
    return {
        "columns": _COLUMNS,
        "rows": rows,
        "rms": _shown(1e3 * found.attrs["rms"], ".2f"),
        "deviation": _shown(1e3 * found.attrs["standard_deviation"], ".2f"),
        "reference": str(found.attrs["reference_station"]),
        "drawn": min(_MOST, found.sizes["station"]),
        "svg": pictures.gnss_picture(found.isel(station=np.sort(worst))),
    }


def _validated(found: xr.Dataset) -> dict[str, Any]:
    rows = []
    for k in range(found.sizes["bin"]):
        one = found.isel(bin=k)
        verdict = ("passed" if bool(one["passed"]) else "failed") if int(one["number_of_pairs"]) else ""
        rows.append(
            [
                f"{float(one['distance_from']):g} to {float(one['distance_to']):g}",
                _shown(int(one["number_of_pairs"]), "d"),
                _shown(100 * float(one["fraction"]), ".1f"),
                _shown(1e3 * float(one["rms"]), ".2f"),
                verdict,
            ]
        )
    attrs = found.attrs
    return {
        "requirement": str(attrs["requirement"]).replace("_", " "),
        "method": str(attrs["method"]),
        "passed": attrs["passed"] == "True",
        "fraction": f"{100 * attrs['fraction']:.1f}",
        "share": f"{100 * attrs['share']:.1f}",
        "columns": _BINS,
        "rows": rows,
        "svg": pictures.validation_picture(found),
    }


def _shown(value: Any, form: str) -> str:
    return format(int(value) if form == "d" else float(value), form) if np.isfinite(value) else "-"
