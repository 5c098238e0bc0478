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
# # First look
#
# A stack of interferograms from files to a velocity map: look at it, mask it, invert it, fit a velocity, store the
# result, open it again. The stack is simulated, so at the end the result is compared with the truth.
#
# Pairs are in radians, positive away from the satellite. Displacement and velocity are positive toward it.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import insarray as ia
from insarray.simulate import simulate_stack, write_geotiffs

plt.rcParams["figure.dpi"] = 100

# %% [markdown]
# ## Files
#
# A city that subsides, a lake, atmosphere, seasons, height error, decorrelation noise, missing samples. The files are what a
# processor leaves: unwrapped phase, coherence and connected components of each pair, and a table of baselines.

# %%
folder = Path(tempfile.mkdtemp())
simulated, truth = simulate_stack(shape=(140, 180), n_dates=30, neighbours=3, looks=20, seed=0)
files = write_geotiffs(simulated, folder / "ifgs")
print(len(files), "files:", ", ".join(path.name for path in files[:3]), "...", files[-1].name)

# %% [markdown]
# ## Open
#
# Only headers are read. The dataset is lazy: dimensions pair, y, x, chunked in space and never along the pairs.

# %%
stack = ia.open_stack(
    str(folder / "ifgs/*.unw.tif"),
    coherence=str(folder / "ifgs/*.cor.tif"),
    components=str(folder / "ifgs/*.conncomp.tif"),
    baselines=folder / "ifgs/baselines.csv",
    wavelength=0.05546576,
    block=90,
)
network = stack.insar.network
print(network)
print("pairs beyond what ties the dates together:", network.n_pairs - network.n_dates + network.n_components)
print(dict(stack.sizes), {name: str(variable.dtype) for name, variable in stack.data_vars.items()})

# %% [markdown]
# `insarray info` prints the same and more. The network:

# %%
fig, ax = plt.subplots(figsize=(8, 3.6), layout="compressed")
ax = ia.plot.network(stack, ax)

# %% [markdown]
# One pair, and its coherence. Everything is xarray: select, and plot.

# %%
pair = stack.isel(pair=0)
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
for ax, name in zip(axes, ("unwrapped_phase", "coherence"), strict=True):
    ia.plot.map(pair, name, ax).set_title(network.labels[0], fontsize="medium")

# %% [markdown]
# ## Mask
#
# Samples without a connected component, or of low coherence, are left out. A mask never removes a pixel or a pair as a
# whole: each sample counts for itself.

# %%
masked = ia.mask(stack, min_coherence=0.3, mask_components=True)
used = masked.unwrapped_phase.notnull().mean("pair").compute()
print(f"{100 * float(used.mean()):.1f} % of the samples are used")

# %% [markdown]
# ## Reference
#
# The phase of a pair is known up to a constant, which the reference removes. `"auto"` finds a pixel that is coherent
# and observed in all pairs. It does not know what is stable:

# %%
row, col = ia.find_reference(masked)
print(f"found: row {row}, column {col}; it moves by {1000 * float(truth.velocity[row, col]):.1f} mm/yr")

# %% [markdown]
# That is inside the subsidence. Here an area is taken that is known to be stable. An area averages the noise of its pixels.

# %%
reference = ia.area(116, 128, 80, 92)
place = {"y": slice(116, 128), "x": slice(80, 92)}
print(f"the area moves by {1000 * float(truth.velocity.isel(place).mean()):.2f} mm/yr")

# %% [markdown]
# ## Invert and fit
#
# Weights are inverse phase variances from coherence and the number of looks. Nothing is computed yet, except the phase of
# the reference.

# %%
series = ia.invert(masked, weights="variance", looks=20, reference=reference)
result = series.merge(ia.fit(series))
print(result)

# %% [markdown]
# ## Run and store
#
# Block by block: read, solve, write. The run can be killed at any time; the same call then computes what is missing.
# The second call finds nothing to do.

# %%
store = str(folder / "series.zarr")
for _ in range(2):
    with ia.progress_bar() as progress:
        report = ia.run(result, store, progress=progress)
    print(f"{report.computed} of {report.blocks} blocks computed")

# %%
stored = xr.open_zarr(store)
for key in ("weights", "looks", "reference_area", "mask_coherence", "sign"):
    print(f"{key:15s} {stored.attrs[key]}")

# %% [markdown]
# ## Look
#
# The velocity and its standard error. `stored.insar.explore()` shows the whole result below a cell, as a page to click.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
for ax, name in zip(axes, ("velocity", "velocity_std"), strict=True):
    ia.plot.map(stored, name, ax)

# %% [markdown]
# The specks along the edges are pixels where the mask has left few dates that are tied to the first one. A line through a few
# dates is a poor velocity, and `velocity_std` says so. How each pixel was determined, and how well the pairs agree:

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
for ax, name in zip(axes, ("solver_flag", "temporal_coherence"), strict=True):
    ia.plot.map(stored, name, ax)
axes[1].images[0].set_clim(0.8, 1)

# %% [markdown]
# Dates that no chain of pairs ties to the first date are NaN; `network_subset` says which. For the comparison below, keep the
# pixels with most of their dates.

# %%
tied = (stored.network_subset == 1).mean("time")
good = stored.where(tied > 0.8).compute()
print(f"{100 * float(stored.velocity.notnull().mean()):.1f} % of the pixels have a velocity, ", end="")
print(f"{100 * float(good.velocity.notnull().mean()):.1f} % have it from more than 80 % of the dates")

# %% [markdown]
# Two histories: the middle of the subsidence, and a pixel of low coherence, whose error bars are longer.

# %%
whole = stored.displacement.notnull().all("time").values
error_bar = stored.displacement_std.mean("time").where(whole)
bowl = np.unravel_index(int(np.nanargmin(truth.velocity.where(whole).values)), whole.shape)
noisy = np.unravel_index(int(np.nanargmax(error_bar.values)), whole.shape)
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="compressed")
for (r, c), ax in zip((bowl, noisy), axes, strict=True):
    ia.plot.point(stored, row=int(r), col=int(c), ax=ax)

# %% [markdown]
# ## Compare with the truth
#
# The truth relative to the same area, where the result has data. First the displacements: the error should be as large as
# `displacement_std` says. About 95 % of normal errors lie within two standard deviations.

# %%
complete = masked.unwrapped_phase.isel(place).notnull().all("pair").compute()
true = truth.displacement - truth.displacement.isel(place).where(complete).mean(("y", "x"))
error = (stored.displacement - true).isel(time=slice(1, None)).compute()
std = stored.displacement_std.isel(time=slice(1, None)).compute()
observed = np.isfinite(error)
within = float((np.abs(error) < 2 * std).where(observed).mean())
print(f"displacement: {1000 * float(np.sqrt((error**2).mean())):.2f} mm rms from the truth")
print(f"{100 * within:.1f} % within two of its own standard deviations")

# %% [markdown]
# `displacement_std` does not contain the noise of the reference, and the estimated coherence that it is made from is biased
# upwards where it is low.
#
# Then the velocity. Its error is not the noise of the pairs but what a line takes for motion: atmosphere, seasons and
# height error.

# %%
motion = truth.velocity - float(truth.velocity.isel(place).where(complete).mean())
difference = good.velocity - motion
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="compressed")
shown = good.assign(velocity=difference.assign_attrs(good.velocity.attrs))
ia.plot.velocity(shown, axes[0]).set_title("velocity minus true motion", fontsize="medium")
axes[1].hist((difference / good.velocity_std).values.ravel(), np.linspace(-5, 5, 61), color="0.5", density=True)
x = np.linspace(-5, 5, 201)
axes[1].plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), "k", lw=1, label="standard normal")
axes[1].set_title("velocity error / velocity_std", fontsize="medium")
axes[1].set(yticks=[])
axes[1].legend(fontsize="small")
print(f"velocity: {1000 * float(np.sqrt((difference**2).mean())):.2f} mm/yr rms from the true motion")

# %% [markdown]
# The errors are larger than `velocity_std` says, and shifted. The standard error comes from the residuals of the line: it
# does not see what looks like a line itself, such as part of a season in a series of one year, nor the error of the reference,
# which shifts the whole map.

# %% [markdown]
# ## Export

# %%
path = ia.to_cog(stored.velocity, folder / "velocity.tif", attrs=stored.attrs)
print(path.name, path.stat().st_size // 1024, "kB")

# %% [markdown]
# On your own files: [Getting started](../docs/getting_started.md). What is solved:
# [the inversion](../docs/explanation/inversion.md).
