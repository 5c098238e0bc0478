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
# # Velocity and height error of a city, before any unwrapping
#
# In X band a roof and the street beside it differ by many cycles, in every epoch. Spatial unwrapping cannot count them.
# The differences between two neighbouring points over time can be: they follow a velocity and a height error. This
# notebook goes from wrapped phases against one date to points with velocity, height error and unwrapped phase, on a
# simulated city, so at the end the result is compared with the truth.
#
# Phase is positive away from the satellite, velocity positive toward it.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import insarray as ia
from insarray.simulate import write_wrapped

plt.rcParams["figure.dpi"] = 85

# %% [markdown]
# ## Files
#
# One complex GeoTIFF per date against the first, the temporal coherence of the phase linking, and a table of baselines.

# %%
folder = Path(tempfile.mkdtemp())
simulated, truth = ia.simulate_wrapped(shape=(80, 100), n_dates=30, seed=1)
files = write_wrapped(simulated, folder / "linked")
print(len(files), "files:", ", ".join(path.name for path in files[:2]), "...", files[-1].name)

# %%
wrapped = ia.open_wrapped(str(folder / "linked"), baselines=folder / "linked/baselines.csv", wavelength=0.031)
print({name: (values.dims, str(values.dtype)) for name, values in wrapped.data_vars.items()})
wrapped = wrapped.assign(slant_range=simulated.slant_range, incidence_angle=simulated.incidence_angle)

# %% [markdown]
# Two epochs. The blocks stand out by their height errors, differently in each epoch, as the baseline is another. The
# lake is noise.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
for ax, epoch in zip(axes, (5, 20), strict=True):
    ia.plot.map(wrapped.isel(time=epoch), "wrapped_phase", ax)

# %% [markdown]
# ## Points and links
#
# Points are pixels of good temporal coherence. Each is linked to its neighbours in the triangulation and to the nearest
# 16: the more links, the less one wrong link matters.

# %%
points = ia.select_points(wrapped, min_temporal_coherence=0.6)
links = ia.estimate_links(points, velocity=(-0.06, 0.06), height_error=(-90, 90))
print(points.sizes["point"], "points,", links.sizes["link"], "links")
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
ia.plot.links(links, points, "link_coherence", axes[0])
ia.plot.links(links, points, "height_error_difference", axes[1])

# %% [markdown]
# A link says how sure it is: its coherence, that of the next best model, and the probability that noise alone reaches
# its coherence somewhere in the ranges.

# %%
fig, ax = plt.subplots(figsize=(6, 3.4), layout="compressed")
ax.hist(links.link_coherence, np.linspace(0, 1, 60), color="0.3", label="best model")
ax.hist(links.second_coherence, np.linspace(0, 1, 60), color="tab:orange", alpha=0.6, label="next best")
ax.set(xlabel="coherence of the link", ylabel="links")
_ = ax.legend()
print(f"{100 * float((links.false_alarm < 1e-3).mean()):.1f} % of the links have a false alarm below 0.001")

# %% [markdown]
# ## From links to points
#
# All links are fitted by values at the points, robustly, weighted by their standard errors. Then each point is estimated
# once more, against the mean phase of its surroundings.

# %%
integrated = ia.integrate_links(links, points)
points_model = ia.refine_points(points, integrated, height_error=(-90, 90))
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
for ax, name in zip(axes, ("velocity", "height_error"), strict=True):
    ia.plot.points(points_model, name, ax)

# %% [markdown]
# Standard errors are relative to the surroundings: the atmosphere that a region shares is not in them.

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
for ax, name in zip(axes, ("velocity_std", "height_error_std"), strict=True):
    ia.plot.points(points_model, name, ax)

# %% [markdown]
# ## Unwrapping
#
# The differences over the triangulation are taken nearest to what the model says; what does not close then is resolved by
# the fewest and cheapest whole cycles.

# %%
unwrapped = ia.unwrap_points(points, points_model)
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
ia.plot.points(points.isel(time=20), "wrapped_phase", axes[0])
ia.plot.points(unwrapped.isel(time=20), "unwrapped_phase", axes[1])

# %% [markdown]
# ## Compare with the truth
#
# Velocity and height error relative to their medians, and the cycles of every epoch relative to that of most points; with
# the model as a guide and without.

# %%
row, col = points.row.values, points.col.values
for name, unit, scale in (("velocity", "mm/yr", 1000), ("height_error", "m", 1)):
    error = points_model[name].values - truth[name].values[row, col]
    error -= np.nanmedian(error)
    print(f"{name}: {scale * np.sqrt(np.nanmean(error**2)):.2f} {unit} rms from the truth")
true = truth.unwrapped_phase.values[:, row, col]
for text, found in (("guided by the model", unwrapped), ("without a guide", ia.unwrap_points(points))):
    cycles = np.round((found.unwrapped_phase.values - true) / (2 * np.pi))
    cycles -= np.nanmedian(cycles, axis=1, keepdims=True)
    print(f"{text}: {100 * np.nanmean(cycles[1:] != 0):.3f} % wrong cycles")

# %% [markdown]
# ## The whole image
#
# `ia.unwrap_stack` does all of this for a stack of any size: in tiles that overlap, one task each, whose memory depends
# on the size of a tile only. Overlaps then tell by how many whole cycles neighbouring tiles differ at each date. What
# comes out is a stack of interferograms, here of each date with the next three. The tiles are as small as they may be,
# to have some seams.

# %%
stack = ia.unwrap_stack(
    wrapped,
    folder / "tiles.zarr",
    network="hop3",
    height_error=(-90, 90),
    tile=56,
    overlap=16,
)
print(dict(stack.sizes), "; overlaps of tiles that disagree at a date:", max(stack.attrs["tile_overlaps_unmet"]))

# %% [markdown]
# An interferogram, and its difference to the truth in cycles: whole numbers, 0 but for single points. A tile with wrong
# cycles would stand out as a rectangle; the dashed lines are the edges of the tiles.

# %%
pair = 40
first, second = stack.insar.network.reference[pair], stack.insar.network.secondary[pair]
known = truth.unwrapped_phase[second].values - truth.unwrapped_phase[first].values
cycles = (stack.unwrapped_phase[pair].compute() - known) / (2 * np.pi)
cycles = (cycles - cycles.median()).rename("cycles").assign_attrs(units="cycle", long_name="difference to the truth")
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
ia.plot.map(stack.isel(pair=pair), "unwrapped_phase", axes[0])
image = axes[1].imshow(cycles, cmap="RdBu_r", vmin=-2, vmax=2)
axes[1].set(xlabel="column", ylabel="row")
fig.colorbar(image, ax=axes[1], label="difference to the truth (cycles)")
for edge in (47.5, 87.5):
    axes[1].axvline(edge, color="0.3", linestyle="--", linewidth=0.8)
axes[1].axhline(47.5, color="0.3", linestyle="--", linewidth=0.8)
print(f"{100 * float((abs(cycles.where(cycles.notnull(), drop=True)) > 0.5).mean()):.3f} % wrong cycles in this pair")

# %% [markdown]
# ## Velocity and time series
#
# From here on it is a stack like any other. The reference is a street outside of the bowls.

# %%
place = (8, 90)
geometry = {name: wrapped[name] for name in ("slant_range", "incidence_angle")}
series = ia.invert(stack, reference=place)
model = ia.fit(series, height_error=True, **geometry)
result = series.merge(model, combine_attrs="override").compute()
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
ia.plot.velocity(result, axes[0])
ia.plot.map(result, "height_error", axes[1])

# %%
fastest = int(np.nanargmin(result.velocity.values))
row, col = np.unravel_index(fastest, result.velocity.shape)
fig, ax = plt.subplots(figsize=(8, 3.6), layout="compressed")
ia.plot.point(result, row=int(row), col=int(col), ax=ax)
true = truth.displacement[:, row, col] - truth.displacement[:, *place]
ax.plot(truth.time, 1000 * (true - true[0]), "k+", label="truth")
_ = ax.legend()
error = result.velocity.values - (truth.velocity.values - truth.velocity.values[place])
print(f"velocity: {1000 * np.nanstd(error):.2f} mm/yr standard deviation of the difference to the truth")

# %% [markdown]
# ## Store and export

# %%
ia.save_points(points_model, str(folder / "points.zarr"))
maps = ia.points_to_grid(points_model)
path = ia.to_cog(maps.velocity, folder / "velocity.tif", attrs=maps.attrs)
print(path.name, path.stat().st_size // 1024, "kB")

# %% [markdown]
# The same from the command line: `insarray links` for points, `insarray unwrap`, `invert` and `fit` for the image. What is solved, and what it cannot know:
# [velocity and height error from wrapped phases](../docs/explanation/link_model.md).
