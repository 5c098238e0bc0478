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
# # Trusting the numbers
#
# A displacement comes with a standard deviation, with the piece of the network that observed it, and with residuals.
# This notebook compares them with a known truth: where they are right, and what they do not contain. Weights, gaps,
# standard deviations of displacement and velocity, and unwrapping errors.
#
# Displacement is positive toward the satellite. Errors are estimates minus truth, in mm.

# %%
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import insarray as ia

plt.rcParams["figure.dpi"] = 100


def rms(values):
    return float(np.sqrt((values**2).mean()))


# %% [markdown]
# A simulated stack: a coherent city in vegetation, nearest neighbours and pairs of a year. What is true is known for
# every pixel and date. Everything is relative to an area outside the motion.

# %%
stack, truth = ia.simulate_stack(shape=(100, 130), n_dates=36, neighbours=4, annual_pairs=True, looks=20, seed=0)
reference, place = ia.area(80, 92, 56, 70), {"y": slice(80, 92), "x": slice(56, 70)}


def relative(values, stack=stack, place=place):
    complete = stack.unwrapped_phase.isel(place).notnull().all("pair")
    return values - values.isel(place).where(complete).mean(("y", "x"))


true = relative(truth.displacement)
coherence = truth.coherence.mean("pair").where(truth.water_mask == 1)
print(dict(stack.sizes), f"{100 * float(stack.unwrapped_phase.notnull().mean()):.0f} % of the samples are there")

# %% [markdown]
# ## Weights
#
# `variance` weighs every sample by its inverse phase variance, from its coherence and the number of looks. `none`
# takes all as equal. The coherence of a real stack is estimated, and estimated too high where it is low; the last row
# has the true one instead.

# %%
informed = stack.assign(coherence=truth.coherence)
cases = {"none": (stack, "none"), "variance": (stack, "variance"), "variance, true coherence": (informed, "variance")}
series = {name: ia.invert(data, weights=weights, reference=reference) for name, (data, weights) in cases.items()}
error = {name: 1000 * (result.displacement - true).isel(time=slice(1, None)) for name, result in series.items()}
for name, values in error.items():
    print(f"{name:25s} {rms(values):.2f} mm rms, {rms(values) / rms(error['none']):.2f} times that without weights")

# %% [markdown]
# The true coherence does not give the better series: that of a sample is estimated from the same looks as its phase,
# and knows a little of its very error. The gain depends on how much the pairs of one pixel differ:

# %%
edges = np.arange(0.2, 0.95, 0.1)
middle = edges[:-1] + 0.05
colours = dict(zip(cases, ("0.5", "tab:blue", "tab:orange"), strict=True))


def by_coherence(values, statistic):
    return [statistic(values.where((coherence >= low) & (coherence < low + 0.1))) for low in edges[:-1]]


fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="compressed")
for name, values in error.items():
    axes[0].plot(middle, by_coherence(values, rms), "o-", color=colours[name], label=name)
axes[0].set(xlabel="mean coherence of the pixel", ylabel="displacement error (mm rms)", ylim=(0, None))
axes[0].legend(fontsize="small", title="weights", title_fontsize="small")
shown = stack[[]].assign(coherence=coherence.assign_attrs(stack.coherence.attrs))
ax = ia.plot.map(shown, "coherence", axes[1])

# %% [markdown]
# ## Gaps
#
# Snow in the north: every pair that touches three dates in the middle, or spans them, is lost there. The dates before
# and after are two pieces of a network. No pair says how much the ground moved between them.

# %%
first, last = 17, 19
network = stack.insar.network
lost = xr.DataArray((network.reference <= last) & (network.secondary >= first), dims="pair")
north = xr.DataArray(np.arange(stack.sizes["y"]) < 60, dims="y")
snowy = stack.assign(unwrapped_phase=stack.unwrapped_phase.where(~(lost & north)))
options = ("nan", "subset", "nsbas", "min_norm")
gaps = {gap: ia.invert(snowy, weights="variance", reference=reference, gap=gap) for gap in options}
subset = gaps["nan"].network_subset.isel(y=48, x=75).values
print("network_subset of a pixel in the north:", "".join(map(str, subset)))

# %% [markdown]
# Two histories fit all that was observed there: the ground moved on as before, or it also jumped by 25 mm in the gap.
# The pairs that are left have not one sample that differs between them. Values on an assumption have no standard
# deviation: open symbols.

# %%
pixel, days = {"y": 48, "x": 75}, truth.time.values.astype("datetime64[D]")
steady = 1000 * true.isel(pixel)
after = xr.DataArray(np.arange(network.n_dates) > last, dims="time")
jumped = steady + 25 * after
fig, axes = plt.subplots(1, 4, figsize=(13, 3.6), sharey=True, layout="compressed")
for ax, (gap, result) in zip(axes, gaps.items(), strict=True):
    history, std = (1000 * result[name].isel(pixel).values for name in ("displacement", "displacement_std"))
    known = np.isfinite(std)
    ax.plot(days, steady, color="0.6", label="true: steady")
    ax.plot(days, jumped, ":", color="0.3", label="true: a jump in the gap")
    ax.errorbar(days[known], history[known], std[known], fmt="o", ms=4, color="tab:blue", label="observed")
    ax.plot(days[~known], history[~known], "o", ms=5, mfc="none", color="tab:red", label="assumed")
    ax.set_title(f'gap="{gap}"', fontsize="medium")
    ax.set_xticks(days[[0, first, -1]], [str(day)[:7] for day in days[[0, first, -1]]])
axes[0].set_ylabel("displacement (mm)")
_ = axes[0].legend(fontsize="small")

# %% [markdown]
# `subset` gives each piece from its own first date: as observed as the first piece, with standard deviations, but
# with another zero. `nsbas` draws one straight line through both pieces, `min_norm` lets the ground rest in between.
# Each is right where its assumption is, and nothing in the data says where. In the north, after the gap:

# %%
inside = (gaps["nan"].network_subset == 2) & after & north
for gap, result in gaps.items():
    values = 1000 * (result.displacement - true).where(inside)
    with_std = float(result.displacement_std.where(inside).notnull().sum() / inside.sum())
    if values.notnull().any():
        print(f"{gap:9s} error {rms(values):5.1f} mm rms if steady, {rms(values - 25):5.1f} if it jumped; ", end="")
    else:
        print(f"{gap:9s} no value;", end=" " * 44)
    print(f"{100 * with_std:3.0f} % have a standard deviation")

# %% [markdown]
# A velocity does not need the assumption. `fit` reads `network_subset` and gives each piece an offset of its own, so
# that whatever is between the pieces does not bend the slope, not even of a series that was filled. Without
# `network_subset` it would:

# %%
free = ia.fit(gaps["subset"]).velocity
there = north & inside.any("time")
for gap in ("nsbas", "min_norm"):
    with_pieces, without = (ia.fit(data).velocity for data in (gaps[gap], gaps[gap].drop_vars("network_subset")))
    bent = [1000 * rms((velocity - free).where(there)) for velocity in (with_pieces, without)]
    print(f"{gap:9s} from that of subset: {bent[0]:.3f} mm/yr with network_subset, {bent[1]:.1f} without")

# %% [markdown]
# ## `displacement_std`
#
# If it is right, 68 % of the errors are within one of it and 95 % within two.

# %%
score = {name: values / (1000 * series[name].displacement_std) for name, values in error.items()}
score = {name: values.where(np.isfinite(values)) for name, values in score.items()}


def coverage(values, width=2):
    return 100 * float((abs(values) < width).where(values.notnull()).mean())


for name, values in score.items():
    print(f"{name:25s} {coverage(values, 1):.1f} % within one, {coverage(values):.1f} % within two standard deviations")

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="compressed")
x = np.linspace(-4.5, 4.5, 181)
axes[0].plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), "k", lw=1, label="standard normal")
for name, values in score.items():
    axes[0].hist(values.values.ravel(), x[::3], density=True, histtype="step", color=colours[name], label=name)
    axes[1].plot(middle, by_coherence(values, coverage), "o-", color=colours[name])
axes[0].set(xlabel="displacement error / displacement_std", yticks=[])
axes[0].legend(fontsize="small")
axes[1].axhline(95.4, color="k", lw=1)
_ = axes[1].set(xlabel="mean coherence of the pixel", ylabel="within two std (%)", ylim=(80, 100))

# %% [markdown]
# Without weights one scale per pixel comes from its residuals, as if all its pairs were equally good. With weights
# the rest of the error is that of the coherence, which is estimated too high: with the true one the standard
# deviation is right.
#
# ### What is not in it
#
# **The noise of the reference.** An area averages it out. A single pixel of low coherence hands its own noise to
# every pixel of the map, and no standard deviation says so. Only part of it is an error that all pixels of a date
# share: the reference is subtracted from every pair, and each pixel weighs its pairs differently.

# %%
complete = stack.unwrapped_phase.notnull().all("pair")
row, col = (int(k) for k in np.unravel_index(np.nanargmin(coherence.where(complete).values), coherence.shape))
single = ia.invert(stack, weights="variance", reference=(row, col))
shifted = (single.displacement - (truth.displacement - truth.displacement[:, row, col])).isel(time=slice(1, None))
std = single.displacement_std.isel(time=slice(1, None)).where(lambda values: values > 0)
common = shifted.median(("y", "x"))
print(
    f"a reference pixel of coherence {float(coherence[row, col]):.2f}: {coverage(shifted / std):.1f} % within two std"
)
print(f"without the median error of each date: {coverage((shifted - common) / std):.1f} %")
print(f"the area: {coverage(score['variance']):.1f} %")

# %% [markdown]
# **The atmosphere.** The series is that of the phase, and the delay of a date is in it like motion, and so is that of
# the first date in all others. Compared with the motion alone:

# %%
motion = (series["variance"].displacement - relative(truth.deformation)).isel(time=slice(1, None))
std = series["variance"].displacement_std.isel(time=slice(1, None))
inside_two = coverage((motion / std).where(np.isfinite(motion / std)))
print(f"error {1000 * rms(motion):.1f} mm rms, stated {1000 * rms(std):.1f} mm; {inside_two:.0f} % within two std")
print(
    f"the true delays, relative to the area and the first date: {1000 * rms(relative(truth.atmosphere)[1:]):.1f} mm rms"
)

# %% [markdown]
# ## `velocity_std`
#
# Three ways: from the scatter about the fit (`residuals`), by drawing dates again (`bootstrap`), from the covariance
# of the dates that the noise of the pairs makes (`covariance`). To the last the variance of the atmosphere can be
# added, for those who know it. Atmosphere is the same over a large part of a map, so one stack is one draw of it:
# here are many small ones, with noise of the pairs alone, and with atmosphere. The model is complete: velocity,
# season, height error. The last bar has the velocity alone.

# %%
small = {"shape": (20, 24), "n_dates": 40, "water": False, "missing": 0.0}
corner = {"y": slice(15, 19), "x": slice(10, 14)}
ways = ("residuals", "bootstrap", "covariance", "covariance\nand atmosphere", "residuals,\nline only")
squares = {(way, sky): np.zeros(2) for way in ways for sky in (0.0, 0.004)}
for sky, seed in [(sky, seed) for sky in (0.0, 0.004) for seed in range(12)]:
    pairs, ground = ia.simulate_stack(**small, atmosphere=sky, seed=seed)
    dates = ia.invert(pairs, weights="variance", reference=ia.area(15, 19, 10, 14))
    speed = ground.velocity - ground.velocity.isel(corner).mean()
    delay = (ground.atmosphere - ground.atmosphere.isel(corner).mean(("y", "x"))).std("time").mean()
    noise = ia.covariance(pairs).displacement_covariance
    own = xr.DataArray(np.eye(40) * float(delay) ** 2, dims=("time", "other_time"))
    geometry = {name: pairs[name] for name in ("slant_range", "incidence_angle")}
    whole = {"periods": (1.0,), "height_error": True, "baselines": pairs.perpendicular_baseline, **geometry}
    models = (
        ia.fit(dates, **whole),
        ia.fit(dates, **whole, uncertainty="bootstrap", samples=80),
        ia.fit(dates, **whole, uncertainty="covariance", covariance=noise),
        ia.fit(dates, **whole, uncertainty="covariance", covariance=(noise + own).astype(np.float32)),
        ia.fit(dates),
    )
    for way, model in zip(ways, models, strict=True):
        squares[way, sky] += float(((model.velocity - speed) ** 2).mean()), float((model.velocity_std**2).mean())

# %% [markdown]
# The true error over the stated one: 1 is right, 2 means that the standard error should be twice as large.

# %%
ratio = {key: float(np.sqrt(true_square / stated)) for key, (true_square, stated) in squares.items()}
fig, ax = plt.subplots(figsize=(9, 3.4), layout="compressed")
for shift, (sky, text, colour) in enumerate(
    ((0.0, "noise of the pairs only", "0.5"), (0.004, "with atmosphere", "tab:blue"))
):
    places = np.arange(len(ways)) + 0.38 * shift - 0.19
    bars = ax.bar(places, [ratio[way, sky] for way in ways], 0.36, color=colour, label=text)
    ax.bar_label(bars, fmt="%.1f", fontsize="small")
ax.axhline(1, color="k", lw=1)
ax.set_xticks(range(len(ways)), ways)
ax.set(ylabel="true over stated error", ylim=(0, 1.15 * max(ratio.values())))
_ = ax.legend(fontsize="small")

# %% [markdown]
# `residuals` and `bootstrap` take the dates as independent. Atmosphere is. The noise of the pairs is not: it adds up
# from date to date like a random walk, and part of a random walk looks like a velocity. Where it is all there is,
# they are too small by a large factor. `covariance` knows how the noise adds up, and nothing of the atmosphere. With
# both in the covariance the stated error is near the true one in both worlds; that coherence is estimated too high is
# what is left. Without season and height error in the model these count as scatter, and no way knows what part of
# them has gone into the velocity.
#
# ## Unwrapping errors
#
# Another stack, two towns on both sides of a river. Whole cycles are added to it: to the eastern town in four pairs,
# and to a quarter of the western one in three. Of the four pairs of the last date three are wrong alike in the east.

# %%
rng = np.random.default_rng(1)
clean, ground = ia.simulate_stack(
    shape=(60, 90), n_dates=16, neighbours=4, water=False, missing=0.0, looks=40, atmosphere=0.002, seed=3
)
network = clean.insar.network
rows, columns = np.mgrid[:60, :90]
east, river, quarter = columns > 46, (columns > 43) & (columns <= 46), (columns < 25) & (rows < 25)
inner = rng.permutation(np.flatnonzero(network.secondary < 15))
cycles = np.zeros(clean.unwrapped_phase.shape, int)
cycles[inner[:4]] += rng.choice([-1, 1], 4)[:, None, None] * east
cycles[inner[4:7]] += rng.choice([-1, 1], 3)[:, None, None] * quarter
cycles[np.flatnonzero(network.secondary == 15)[:3]] += east
labels = xr.zeros_like(clean.connected_component_labels) + np.where(river, 0, np.where(east, 2, 1)).astype(np.uint16)
wrong = clean.assign(
    unwrapped_phase=(clean.unwrapped_phase + (2 * np.pi * cycles).astype(np.float32)).where(labels > 0),
    connected_component_labels=labels.assign_attrs(clean.connected_component_labels.attrs),
)
town = ia.area(36, 44, 14, 22)
truly = {network.labels[k] for k in np.flatnonzero(cycles.any(axis=(1, 2)))}
share = 100 * (cycles[:, ~river] != 0).mean()
print(f"{share:.1f} % of the samples are wrong, in {len(truly)} of {network.n_pairs} pairs")

# %% [markdown]
# Closure first. Loops of three pairs add up to whole cycles where an unwrapping error is in one of them. On the left
# the pairs by how many of their loops do not close, on the right where.

# %%
loops = ia.closure(wrong, reference=town)
summary = ia.closure_summary(loops, maps=True)
fig = ia.plot.closure(summary, plt.figure(figsize=(12, 4), layout="compressed"))
doubted = {label for label, order in zip(network.labels, summary.pair_drop_order.values, strict=True) if order}
print(f"{len(doubted)} pairs to doubt, of which {len(doubted & truly)} are among the {len(truly)} wrong ones")

# %% [markdown]
# Least squares spreads a wrong cycle over the dates, so that right pairs get residuals, too. L1 leaves a few pairs
# aside. `pair_misfit` lists the pairs, the worst first:

# %%
fits = {norm: ia.invert(wrong, norm=norm, reference=town) for norm in ("l2", "l1", "huber")}
for norm in ("l2", "l1"):
    misfit = ia.pair_misfit(wrong, fits[norm])
    right = np.median([pair.rms for pair in misfit if pair.pair not in truly])
    print(f"{norm}: residuals of {right:.2f} rad rms in the median right pair; the worst pairs:")
    for pair in misfit[:6]:
        verdict = "wrong" if pair.pair in truly else "right"
        print(f"    {pair.pair}  {100 * pair.wrong:3.0f} % of the pixels over half a cycle off, in truth {verdict}")

# %% [markdown]
# `correct_unwrapping` adds the cycles that are missing. `pixel` and `component` find them by closure, `bridging` by
# the step of the phase across the river.

# %%
left = {}
for methods in ("pixel", "component", "bridging", "bridging+pixel"):
    corrected, phase = wrong, "unwrapped_phase"
    for method in methods.split("+"):
        corrected = ia.correct_unwrapping(corrected, method=method, phase=phase, reference=town)
        phase = "corrected_phase"
    fits[f"l2 after {methods}"] = ia.invert(corrected, phase=phase, reference=town)
    left[f"l2 after {methods}"] = (cycles + corrected.unwrapping_cycles.values)[:, ~river]
ground_truth = relative(ground.displacement, clean, {"y": slice(36, 44), "x": slice(14, 22)})
print("mm rms                  before the last date   last date, east   samples wrong")
for name, result in fits.items():
    error = 1000 * (result.displacement - ground_truth)
    in_east = rms(error[-1].where(xr.DataArray(east, dims=("y", "x"))))
    still = 100 * (left.get(name, cycles[:, ~river]) != 0).mean()
    print(f"{name:25s}{rms(error[1:-1]):13.2f}{in_east:22.2f}{still:14.2f} %")

# %%
fig, axes = plt.subplots(1, 4, figsize=(14, 3), layout="compressed")
for ax, name in zip(axes, ("l2", "l1", "l2 after pixel", "l2 after bridging+pixel"), strict=True):
    off = (1000 * (fits[name].displacement - ground_truth)[-1]).values
    image = ax.imshow(off, "RdBu", vmin=-30, vmax=30, interpolation="nearest")
    ax.set(xticks=[], yticks=[], title=name)
_ = fig.colorbar(image, ax=axes, label="error at the last date (mm)", extend="both")

# %% [markdown]
# L1 and closure look for the fewest wrong pairs. At the last date three of four are wrong in the east, so the fourth is
# called wrong, and the town is off by a cycle there. Neither the residuals nor the standard deviation tell:

# %%
in_east = xr.DataArray(east, dims=("y", "x"))
print(f"a cycle is {1000 * clean.attrs['wavelength'] / 2:.1f} mm; in the east")
for name in ("l2", "l2 after pixel", "l2 after bridging+pixel"):
    residual = float(fits[name].residual_rms.where(in_east).median())
    last_std = 1000 * float(fits[name].displacement_std[-1].where(in_east).median())
    print(f"{name:25s} residuals of {residual:.2f} rad, displacement_std of the last date {last_std:.2f} mm (medians)")

# %% [markdown]
# Only something that is not closure can see it: here the bridge over the river, which believes that the motion is
# smooth across it.
#
# More: [the inversion](../docs/explanation/inversion.md), [robust norms](../docs/explanation/robust.md), [unwrapping
# errors](../docs/explanation/unwrapping.md), [time functions](../docs/explanation/time_functions.md).
