# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Coming from MintPy and dolphin
#
# Their functions and commands exist here under the same names: on arrays, and from files to files. Neither package is
# needed to run this notebook. What they answer is computed from the formulas that they document, with NumPy; where
# the packages are installed the last section calls them as well.

# %%
import contextlib
import importlib.util
import io
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import rasterio

import insarray as ia
from insarray.compat import dolphin, mintpy
from insarray.simulate import write_geotiffs

plt.rcParams["figure.dpi"] = 100

# %% [markdown]
# A stack with known truth, relative to a stable pixel. As an array of phases (pair, pixel) it is what both packages
# work on. Some samples are missing.

# %%
stack, truth = ia.simulate_stack(shape=(60, 80), n_dates=20, neighbours=3, looks=20, missing=0.05, seed=0)
network, times = stack.insar.network, stack.insar.network.times
still = stack.unwrapped_phase.notnull().all("pair") & (abs(truth.velocity) < 0.002)


def relative(values):
    """Relative to the mean of the pixels that do not move, as an array (pair or time, pixel)."""
    return (values - values.where(still).mean(("y", "x"))).values.reshape(len(values), -1)


phase = relative(stack.unwrapped_phase)
true = -4 * np.pi / stack.attrs["wavelength"] * relative(truth.displacement)
land = np.isfinite(phase).any(axis=0)
complete = np.isfinite(phase).all(axis=0)
print(f"{network.n_dates} dates, {network.n_pairs} pairs, {land.sum()} pixels of land")
print(f"{complete.sum()} of them have all pairs; {100 * np.isfinite(phase[:, land]).mean():.1f} % of the samples there")

# %% [markdown]
# ## MintPy: `estimate_timeseries`
#
# It minimises the norm of the residuals for the velocities between dates (`B`) or the phases of the dates (`A`), by
# SVD: of several solutions it takes the one of least norm. In NumPy that is `lstsq`. Where all pairs are there, both
# are the same.

# %%
days = times.astype("datetime64[D]")
intervals = np.diff(network.years)[:, None]
A = np.delete(network.incidence(), 0, axis=1).astype(np.float32)
spans = (np.arange(19) >= network.reference[:, None]) & (np.arange(19) < network.secondary[:, None])
B = (spans * intervals[:, 0]).astype(np.float32)


def least_norm(samples):
    """Series of one pixel: least-norm velocities between dates, summed up."""
    there = np.isfinite(samples)
    speed = np.linalg.lstsq(B[there], samples[there], rcond=1e-5)[0]
    return np.concatenate([[0], np.cumsum(speed * intervals[:, 0])])


formula = np.full((network.n_dates, phase.shape[1]), np.nan)
formula[:, land] = np.stack([least_norm(samples) for samples in phase[:, land].T], axis=1)
ours, coherence, used = mintpy.estimate_timeseries(A, B, phase, intervals)
print(f"{complete.sum()} complete pixels: {np.abs(ours - formula)[:, complete].max():.1e} rad at most between the two")

# %% [markdown]
# The call is one for all pixels, each with its own missing pairs; `used` is one number a pixel. Where dates are cut
# off, the formula still gives a number. Here it is NaN, unless `gap="min_norm"` asks for the same number.

# %%
same, _, _ = mintpy.estimate_timeseries(A, B, phase, intervals, gap="min_norm", min_redundancy=0)
untied = np.isnan(ours) & land
print(f"{untied.sum()} values at {untied.any(axis=0).sum()} pixels are not observed")
print(f"gap='min_norm': {np.abs(same - formula)[:, land].max():.1e} rad at most from the formula, those included")
print(f"these against the truth: {np.sqrt(np.mean((formula - true)[untied] ** 2)):.1f} rad rms", end="; ")
print(f"the observed ones: {np.sqrt(np.nanmean((ours - true)[:, land] ** 2)):.1f} rad rms")

# %% [markdown]
# Pixels that lack a date MintPy then discards (`min_redundancy`). A network that is cut in two has all its dates, and
# is not noticed: the formula lets the ground rest over the cut. The fastest pixel, its pairs taken away where the
# phase changes most:

# %%
fastest = int(np.argmax(np.where(complete, true[-1], 0)))
date = 1 + int(np.argmax(np.abs(np.diff(true[:, fastest]))))
across = (network.reference < date) & (network.secondary >= date)
touching = (network.reference == date - 1) | (network.secondary == date - 1)
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), sharey=True, layout="compressed")
for ax, gone, title in zip(axes, (across, touching), ("network cut in two", "the date before lost"), strict=True):
    samples = np.where(gone, np.nan, phase[:, fastest])
    ax.plot(days, true[:, fastest], color="0.6", label="true")
    ax.plot(days, least_norm(samples), "s", ms=7, mfc="none", color="tab:red", label="least norm")
    ax.plot(days, mintpy.estimate_timeseries(A, B, samples, intervals)[0], "o", ms=4, color="tab:blue", label="here")
    ax.set_title(title, fontsize="medium")
    ax.set_xticks(days[[0, date, 19]])
axes[0].set_ylabel("phase (rad)")
_ = axes[0].legend(fontsize="small")

# %% [markdown]
# Weights are given as their square roots, as MintPy has it. The formula for one pixel, and the call for all:

# %%
quality = stack.coherence.values.reshape(network.n_pairs, -1)
root = np.sqrt(mintpy.coherence2weight(quality, "var", 20))
weighted, _, _ = mintpy.estimate_timeseries(A, B, phase, intervals, root)
pixel = int(np.flatnonzero(complete)[1000])
speed = np.linalg.lstsq(root[:, [pixel]] * B, root[:, pixel] * phase[:, pixel], rcond=1e-5)[0]
series = np.concatenate([[0], np.cumsum(speed * intervals[:, 0])])
print(f"one pixel by its formula: {np.abs(series - weighted[:, pixel]).max():.1e} rad at most from here")
for name, found in (("without weights", ours), ("with", weighted)):
    print(f"{name}: {np.sqrt(np.nanmean((found - true)[1:, land] ** 2)):.3f} rad rms from the truth")

# %% [markdown]
# ## dolphin: `invert_stack`
#
# It takes weights, too, and documents them as inverse variances: minimise Σ w r². Its workflow gives the function
# what `correlation_to_variance` returns, which are variances. Then bad pairs weigh most. Both, with the same
# function:

# %%
incidence = dolphin.get_incidence_matrix([(times[i], times[j]) for i, j in network.pairs])
variance = dolphin.correlation_to_variance(quality, 20)
answers = {
    "no weights": dolphin.invert_stack(incidence, phase)[0],
    "inverse variances": dolphin.invert_stack(incidence, phase, 1 / variance)[0],
    "variances": dolphin.invert_stack(incidence, phase, variance)[0],
}
scale = np.sqrt(1 / variance[:, pixel])
by_formula = np.linalg.lstsq(scale[:, None] * incidence, scale * phase[:, pixel])[0]
print(f"one pixel by its formula: {np.abs(by_formula - answers['inverse variances'][:, pixel]).max():.1e} rad at most")

# %%
mean = np.where(land, truth.coherence.mean("pair").values.ravel(), np.nan)
edges = np.arange(0.35, 0.75, 0.1)
fig, ax = plt.subplots(figsize=(8, 3.6), layout="compressed")
for (name, found), colour in zip(answers.items(), ("0.5", "tab:blue", "tab:red"), strict=True):
    square = (found - true[1:]) ** 2
    inside = [(mean >= low) & (mean < low + 0.1) for low in edges]
    ax.plot(edges + 0.05, [np.sqrt(np.nanmean(square[:, k])) for k in inside], "o-", color=colour, label=name)
    print(f"{name:18s} {np.sqrt(np.nanmean(square[:, land])):.3f} rad rms from the truth")
ax.set(xlabel="mean coherence of the pixel", ylabel="error (rad rms)", ylim=(0, None))
_ = ax.legend(fontsize="small", title="w of invert_stack", title_fontsize="small")

# %% [markdown]
# ## dolphin: `invert_stack_l1`
#
# Least absolute deviations by 20 steps of ADMM with ρ = 0.4 (Boyd et al. 2010, section 6.1). The steps in NumPy, and
# what is here: the optimum, with a proof, and with `strict=True` the same 20 steps. On complete pixels, as NaN loses
# a pixel there.


# %%
def admm(samples, steps=20, rho=0.4):
    solve = np.linalg.pinv(incidence)
    z = u = np.zeros_like(samples)
    for _ in range(steps):
        x = solve @ (samples + z - u)
        r = incidence @ x - samples + u
        z = np.sign(r) * np.maximum(np.abs(r) - 1 / rho, 0)
        u = r - z
    return x


def objective(x, samples):
    return np.abs(samples - incidence @ x).sum(axis=0)


whole = phase[:, complete].astype(np.float64)
optimum, least = dolphin.invert_stack_l1(incidence, whole, max_iter=100)
print(
    f"strict=True: {np.abs(admm(whole) - dolphin.invert_stack_l1(incidence, whole, strict=True)[0]).max():.1e} rad",
    end=" ",
)
print("at most from the steps in NumPy")
excess = {"rad": 100 * (objective(admm(whole), whole) / least - 1)}
for unit, per_metre in (("mm", 1000), ("m", 1)):
    same = per_metre * stack.attrs["wavelength"] / (4 * np.pi) * whole
    excess[unit] = 100 * (objective(admm(same), same) / dolphin.invert_stack_l1(incidence, same, max_iter=100)[1] - 1)
for unit, values in excess.items():
    print(f"in {unit}: 20 steps end {values.mean():.1f} % above the optimum on average, {values.max():.1f} % at most")

# %%
fig, ax = plt.subplots(figsize=(8, 3.4), layout="compressed")
bins = np.linspace(0, max(np.percentile(values, 99.5) for values in excess.values()), 60)
for (unit, values), colour in zip(excess.items(), ("tab:blue", "tab:orange", "0.5"), strict=True):
    ax.hist(values, bins, color=colour, alpha=0.6, label=f"the same samples in {unit}")
ax.set(xlabel="sum of absolute residuals above the optimum (%)", ylabel="pixels")
_ = ax.legend(fontsize="small")

# %% [markdown]
# ## From files to files
#
# The stack as the files of both: GeoTIFFs, and `ifgramStack.h5` as MintPy's `load_data` leaves it. The reference is
# the most coherent of the pixels that do not move.

# %%
quiet = stack.coherence.mean("pair").where(still).values
row, col = (int(k) for k in np.unravel_index(np.nanargmax(quiet), quiet.shape))
folder = Path(tempfile.mkdtemp())
write_geotiffs(stack, folder / "unwrapped")
(folder / "mintpy/inputs").mkdir(parents=True)
with h5py.File(folder / "mintpy/inputs/ifgramStack.h5", "w") as file:
    file.attrs.update({"FILE_TYPE": "ifgramStack", "LENGTH": "60", "WIDTH": "80", "UNIT": "radian"})
    file.attrs.update({"REF_Y": str(row), "REF_X": str(col), "WAVELENGTH": str(stack.attrs["wavelength"])})
    file.attrs.update({"X_FIRST": "485000", "Y_FIRST": "2155000", "X_STEP": "80", "Y_STEP": "-80"})
    file.attrs.update({"X_UNIT": "meters", "Y_UNIT": "meters", "EPSG": "32614", "UTM_ZONE": "14N"})
    file["date"] = np.array([label.split("_") for label in network.labels], "S8")
    file["bperp"] = stack.perpendicular_baseline.values
    file["dropIfgram"] = np.ones(network.n_pairs, bool)
    file["unwrapPhase"] = np.nan_to_num(stack.unwrapped_phase.values)
    file["coherence"] = stack.coherence.values

# %% [markdown]
# MintPy's steps as commands, with its options. The files have its names, datasets and attributes.


# %%
def command(line):
    words = [sys.executable, "-m", *shlex.split(line)]
    print(subprocess.run(words, cwd=folder / "mintpy", capture_output=True, text=True, check=True).stdout, end="")


command("insarray mintpy invert inputs/ifgramStack.h5 -w no")
command("insarray mintpy velocity timeseries.h5")
with h5py.File(folder / "mintpy/timeseries.h5") as file:
    print({name: values.shape for name, values in file.items()}, file.attrs["UNIT"], file.attrs["REF_DATE"])

# %% [markdown]
# dolphin's workflow as a function; the command is `insarray dolphin timeseries`. Least squares without weights, as
# above.

# %%
files = {kind: sorted((folder / "unwrapped").glob(f"*.{kind}.tif")) for kind in ("unw", "unw.conncomp", "cor")}
paths, residuals, point = dolphin.run(
    files["unw"],
    files["unw.conncomp"],
    folder / "dolphin",
    method="L2",
    run_velocity=True,
    reference_point=(row, col),
    wavelength=stack.attrs["wavelength"],
)
print(len(paths), "dates,", len(residuals), "residuals:", paths[0].name, "...", residuals[-1].name)

# %% [markdown]
# ## Go on from there
#
# Both are the same estimate of the same pairs, so both files should hold the same numbers. `open_series` reads
# MintPy's series:

# %%
opened = ia.open_series(folder / "mintpy/timeseries.h5")
with rasterio.open(paths[-1]) as file:
    last = file.read(1)
apart = 1000 * np.abs(last - opened.displacement.values[-1])
print(f"the last date of MintPy's file and of dolphin's: {np.nanmax(apart):.1e} mm apart at most", end=", ")
print(f"on {np.isfinite(apart).sum()} pixels")

# %% [markdown]
# And the velocities, of which MintPy's file has the standard error, too:

# %%
with h5py.File(folder / "mintpy/velocity.h5") as file:
    theirs = {name: file[name][:] for name in ("velocity", "velocityStd")}
with rasterio.open(folder / "dolphin/velocity.tif") as file:
    of_dolphin = file.read(1)
maps = stack.drop_vars(list(stack.data_vars)).assign_attrs(reference_row=row, reference_col=col)
for name, values in (("velocity", theirs["velocity"]), ("velocity_std", theirs["velocityStd"])):
    attrs = {"units": "m/year", "grid_mapping": "spatial_ref"}
    maps[name] = (("y", "x"), np.where(truth.water_mask == 1, values, np.nan), attrs)
fig, axes = plt.subplots(1, 3, figsize=(14, 3.4), layout="compressed")
ia.plot.velocity(maps, axes[0]).set_title("velocity.h5", fontsize="medium")
ia.plot.map(maps, "velocity_std", axes[1]).set_title("its velocityStd", fontsize="medium")
ia.plot.velocity(maps.assign(velocity=(("y", "x"), of_dolphin, maps.velocity.attrs)), axes[2])
axes[2].set_title("velocity.tif", fontsize="medium")
print(f"velocities {1000 * np.nanmax(np.abs(of_dolphin - maps.velocity.values)):.1e} mm/yr apart at most")

# %% [markdown]
# Everything of this package works on such a series, and `to_mintpy` writes what comes out as MintPy's files again,
# with the attributes of the stack:

# %%
model = ia.fit(opened, uncertainty="bootstrap")
for path in ia.to_mintpy(model, folder / "out", attrs=folder / "mintpy/inputs/ifgramStack.h5"):
    with h5py.File(path) as file:
        print(path.name, list(file), file.attrs["UNIT"])

# %% [markdown]
# ## What differs, and why
#
# | case | there | here |
# |---|---|---|
# | missing pairs, weights | pixel by pixel (MintPy); pixels lost, flags ignored (dolphin) | each pixel its own, one call |
# | dates that are cut off | least-norm values, or the pixel is discarded | NaN; `gap="min_norm"` for the formula |
# | no data | 0 (MintPy) | NaN; `nodata="zero"`, `--nodata zero` |
# | weights of the workflow | inverse variances (MintPy), variances (dolphin) | inverse variances |
# | L1 | 20 steps, which depend on the unit (dolphin) | the optimum, certified; `strict=True` for the steps |
# | standard deviation of every date | none | `ia.invert` has it; these functions have theirs only |
#
# Every case of every function: [coming from MintPy](../docs/how_to/coming_from_mintpy.md), [coming from
# dolphin](../docs/how_to/coming_from_dolphin.md).
#
# ## With the packages themselves
#
# Where they are installed, on a few pixels; otherwise this says that nothing was compared.

# %%
sample = np.flatnonzero(complete)[:20]
if importlib.util.find_spec("mintpy") is None:
    print("MintPy is not installed: not compared")
else:
    from mintpy.ifgram_inversion import estimate_timeseries

    with contextlib.redirect_stdout(io.StringIO()):
        peer = np.hstack([estimate_timeseries(A, B, phase[:, [k]], intervals, root[:, [k]])[0] for k in sample])
    print(f"MintPy, weighted: {np.abs(peer - weighted[:, sample]).max():.1e} rad apart at most")
if importlib.util.find_spec("dolphin") is None:
    print("dolphin is not installed: not compared")
else:
    from dolphin import timeseries

    cube, weight = whole[:, :20, None], 1 / variance[:, complete][:, :20, None]
    peer = np.asarray(timeseries.invert_stack(incidence, cube, weight)[0])[..., 0]
    print(f"dolphin, weighted: {np.abs(peer - answers['inverse variances'][:, sample]).max():.1e} rad apart at most")
    peer = np.asarray(timeseries.invert_stack_l1(incidence, cube)[0])[..., 0]
    print(f"dolphin, 20 steps of L1: {np.abs(peer - admm(whole[:, :20])).max():.1e} rad from those in NumPy")
