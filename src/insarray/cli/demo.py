"""`insarray demo`: simulate a stack, invert it, and compare the result with the truth."""

import os
import time
from pathlib import Path

import numpy as np
import xarray as xr

from insarray import plot
from insarray.cli.compute import command_line, compiled_kernels
from insarray.cli.say import echo
from insarray.cli.stacks_and_series import Demo
from insarray.engine.run.runner import run
from insarray.engine.store.zarr_store import open_store
from insarray.io.open import open_stack
from insarray.model.dataset import network_of
from insarray.model.errors import StoreError
from insarray.model.place import Area
from insarray.products.series.inversion import invert
from insarray.products.stacks.selection import mask
from insarray.products.timefit.fit import fit
from insarray.progress import progress_bar
from insarray.simulate.stacks import WAVELENGTH, simulate_stack, write_geotiffs

_SHAPE, _DATES, _LOOKS = (320, 400), 30, 20.0
_HALF = 6  # half the edge of the reference area, pixels


def run_demo(options: Demo) -> None:
    """Simulate files in a folder, invert them into ``series.zarr``, compare with the truth, and plot ``demo.png``.

    Raises
    ------
    StoreError
        If the folder exists and is not empty.
    """
    folder, target = options.folder, Path(options.folder)
    if target.exists() and (not target.is_dir() or os.listdir(target)):
        raise StoreError(f"{folder}: exists and is not empty; name another folder: insarray demo FOLDER")
    with compiled_kernels(None, "invert, weighted", "fit") as wait:
        stack, truth = simulate_stack(shape=_SHAPE, n_dates=_DATES, looks=_LOOKS, seed=options.seed)
        files = write_geotiffs(stack, target / "interferograms")
        network = network_of(stack)
        echo(f"simulated {network.n_dates} dates, {network.n_pairs} pairs of {_SHAPE[0]} x {_SHAPE[1]} pixels:")
        echo(
            f"  {len(files)} files in {target / 'interferograms'}; "
            "deformation, seasons, height error (DEM error), atmosphere, noise"
        )
        wait()
    started = time.perf_counter()
    place = _stable_place(truth)
    series = _invert(target, place)
    seconds = time.perf_counter() - started
    samples = network.n_pairs * _SHAPE[0] * _SHAPE[1]
    echo(f"files -> series and velocity in {seconds:.1f} s ({samples / seconds / 1e6:.1f} million samples a second)")
    true = _relative(truth, stack, place)
    _compare(series, true)
    _draw(series, true, target / "demo.png")
    echo(f"look at {target / 'demo.png'}; open {target / 'series.zarr'} with insarray.open; next, on your own files:")
    echo(
        f"  insarray info {target / 'interferograms'} --wavelength {WAVELENGTH} "
        f"--baselines {target / 'interferograms' / 'baselines.csv'}\n"
        f"  insarray invert {target / 'interferograms'} mine.zarr --wavelength {WAVELENGTH} "
        f"--weights variance --looks {_LOOKS:g} --reference "
        f"{place.row_start}:{place.row_stop},{place.col_start}:{place.col_stop}"
    )


def _stable_place(truth: xr.Dataset) -> Area:
    """Return a reference area that is coherent and outside the deformation."""
    still = (np.abs(truth.velocity) < 1e-3).values
    quality = truth.coherence.mean("pair").where(still).values[_HALF:-_HALF, _HALF:-_HALF]
    row, col = np.unravel_index(int(np.nanargmax(quality)), quality.shape)
    return Area(int(row), int(row) + 2 * _HALF, int(col), int(col) + 2 * _HALF)


def _relative(truth: xr.Dataset, stack: xr.Dataset, place: Area) -> xr.Dataset:
    """Return true displacement and velocity relative to the mean of the reference area, like the result."""
    window = {"y": slice(place.row_start, place.row_stop), "x": slice(place.col_start, place.col_stop)}
    complete = stack.unwrapped_phase.isel(window).notnull().all("pair")
    true = truth[["displacement", "velocity"]]
    return true - true.isel(window).where(complete).mean(("y", "x"))


def _invert(target: Path, reference: Area) -> xr.Dataset:
    """Open, mask, invert, fit and run, as a user would."""
    files = target / "interferograms"
    stack = open_stack(
        str(files / "*.unw.tif"),
        coherence=str(files / "*.cor.tif"),
        components=str(files / "*.conncomp.tif"),
        baselines=str(files / "baselines.csv"),
        wavelength=WAVELENGTH,
        block=160,
    )
    series = invert(mask(stack, mask_components=True), weights="variance", looks=_LOOKS, reference=reference)
    result = series.merge(fit(series), combine_attrs="override")
    url = str(target / "series.zarr")
    with progress_bar(quiet=False) as progress:
        run(result, url, progress=progress, command=command_line())
    return open_store(url)


def _compare(series: xr.Dataset, true: xr.Dataset) -> None:
    """Print the errors in common units."""
    error = (series.displacement - true.displacement).values[1:]
    observed = np.isfinite(error)
    within = np.abs(error) < 2 * series.displacement_std.values[1:]
    line = fit(true[["displacement"]].where(series.displacement.notnull())).velocity
    echo(
        f"{100 * observed.mean():.1f} % of the samples determined, the rest (water, lost pairs) is NaN\n"
        f"displacement: {1000 * _rms(error):.2f} mm rms from the truth, "
        f"{100 * within[observed].mean():.0f} % within two of its own standard deviations\n"
        f"velocity: {1000 * _rms(series.velocity - line):.2f} mm/yr rms from that of the true displacements, "
        f"{1000 * _rms(series.velocity - true.velocity):.2f} from the motion alone\n"
        "  (in one year seasons, atmosphere and height error (DEM error) change the slope of the line, too)"
    )


def _rms(values: xr.DataArray | np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(np.square(np.asarray(values)))))


def _draw(series: xr.Dataset, true: xr.Dataset, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.9), layout="compressed")
    axes = figure.subplots(2, 3)
    plot.velocity(series, axes[0, 0]).set_title("estimated", fontsize="medium")
    motion = true.velocity.where(series.velocity.notnull()).assign_attrs(series.velocity.attrs)
    plot.velocity(series.assign(velocity=motion), axes[0, 1]).set_title("true motion", fontsize="medium")
    axes[0, 1].images[0].set_clim(axes[0, 0].images[0].get_clim())
    plot.map(series, "velocity_std", axes[0, 2])
    plot.map(series, "temporal_coherence", axes[1, 0])
    plot.network(series, axes[1, 1])
    whole = series.displacement.notnull().all("time")
    y, x = np.unravel_index(int(np.nanargmin(true.velocity.where(whole).values)), whole.shape)
    plot.point(series, row=int(y), col=int(x), ax=axes[1, 2])
    plot.save(figure, path)
