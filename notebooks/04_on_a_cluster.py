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
# # On a cluster
#
# The same chain on a Dask cluster. What changes in the code is `client=`. What comes out does not change, to the last
# bit, also when a worker is killed in the middle or the run is interrupted and resumed. The cluster here is two
# processes of this machine; of a larger one only the line that makes the client differs.

# %%
import logging
import os
import signal
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import psutil
import xarray as xr
from distributed import Client, LocalCluster, get_task_stream

import insarray as ia
from insarray.simulate import write_geotiffs

plt.rcParams["figure.dpi"] = 100

# %% [markdown]
# ## The job
#
# Files, and the lazy result: series and velocity, in blocks of 30 x 30 pixels. Blocks of real stacks are larger; here
# many of them are wanted.

# %%
folder = Path(tempfile.mkdtemp())
simulated, truth = ia.simulate_stack(shape=(120, 150), n_dates=16, neighbours=2, looks=20, seed=0)
write_geotiffs(simulated, folder / "ifgs")


def chain(block):
    stack = ia.open_stack(
        str(folder / "ifgs/*.unw.tif"),
        coherence=str(folder / "ifgs/*.cor.tif"),
        wavelength=0.05546576,
        block=block,
    )
    masked = ia.mask(stack, min_coherence=0.3)
    series = ia.invert(masked, weights="variance", looks=20, reference=ia.area(100, 110, 64, 76))
    return series.merge(ia.fit(series))


result = chain(block=30)
print(dict(result.sizes), len(result.data_vars), "variables, nothing computed")

# %% [markdown]
# ## Memory, before anything runs
#
# `plan_run` says how many blocks there are and how much memory a process may take at most. The bound is a fixed part,
# plus one block for each thread. It does not depend on the size of the image.

# %%
plan = ia.plan_run(result, workers=1)
print(f"{plan.n_blocks} blocks of {plan.rows[0]} x {plan.cols[0]}, {plan.bytes_per_pixel} bytes a pixel")
print(f"a block takes {plan.block_bytes / 2**20:.1f} MiB, a process at most {plan.peak_bytes / 2**20:.0f} MiB")

# %% [markdown]
# On a machine with 16 cores, with the bytes per pixel of this network: threads share the fixed part, processes each
# have their own. The rest is the blocks, which grow with the square of their side. With several hundred pairs the
# bytes per pixel are so many times more.

# %%
sides = np.array([64, 128, 256, 512, 1024])
blocks, fixed = sides**2 * plan.bytes_per_pixel / 2**30, (plan.peak_bytes - plan.block_bytes) / 2**30
fig, ax = plt.subplots(figsize=(8, 3.6), layout="compressed")
ax.plot(sides, 16 * (fixed + blocks), "s-", color="tab:orange", label="16 processes of one thread")
ax.plot(sides, 4 * fixed + 16 * blocks, "^-", color="tab:green", label="4 processes of four threads")
ax.plot(sides, fixed + 16 * blocks, "o-", color="tab:blue", label="16 threads of one process")
ax.set_xscale("log", base=2)
ax.set_yscale("log", base=2)
ax.set_xticks(sides, [str(side) for side in sides])
ax.yaxis.set_major_formatter("{x:g}")
ax.set(xlabel="side of a block (pixels)", ylabel="memory at most (GiB)")
_ = ax.legend(fontsize="small")

# %% [markdown]
# ## Threads
#
# The default: threads of this process. For comparison below, and for the map.

# %%
threads = str(folder / "threads.zarr")
report = ia.run(result, threads, workers=2)
print(f"{report.computed} of {report.blocks} blocks computed")
stored = xr.open_zarr(threads)
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="compressed")
for ax, name in zip(axes, ("velocity", "velocity_std"), strict=True):
    ia.plot.map(stored, name, ax)

# %% [markdown]
# ## Cluster
#
# Two worker processes of one thread. Elsewhere this is dask-jobqueue, dask-kubernetes, or the address of a scheduler.
# Workers need the same environment, and the input and output under the same paths. The log is silenced as this
# notebook kills a worker below; leave it on.

# %%
cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=logging.CRITICAL)
client = Client(cluster)
print(len(client.nthreads()), "workers")

# %% [markdown]
# The progress function is called after every block. Here it asks the workers how much memory they have.

# %%
used = []


def watch(finished, blocks):
    used.extend(client.run(lambda: psutil.Process().memory_info().rss).values())


with get_task_stream(client) as calm:
    report = ia.run(result, str(folder / "cluster.zarr"), client=client, progress=watch)
print(f"{report.computed} of {report.blocks} blocks computed")
print(f"a worker had at most {max(used) / 2**20:.0f} MiB; the bound is {plan.peak_bytes / 2**20:.0f} MiB")


# %% [markdown]
# Every variable has the same bits as that of the threads. This is not luck: a pixel goes through the same operations
# in the same order wherever its block is computed.


# %%
def same_bits(first, second):
    one, two = xr.open_zarr(first), xr.open_zarr(second)
    same = [name in two and one[name].values.tobytes() == two[name].values.tobytes() for name in one.variables]
    return f"{sum(same)} of {len(same)} variables have the same bits"


print(same_bits(threads, folder / "cluster.zarr"))

# %% [markdown]
# ## A worker dies
#
# When a third of the blocks is done one worker is killed, as the system does when memory runs out. Dask gives what it
# was at to the other and starts a new one.

# %%
killed = []


def kill_one(finished, blocks):
    if finished >= blocks // 3 and not killed:
        address, number = next(iter(client.run(os.getpid).items()))
        killed.append(address)
        os.kill(number, signal.SIGKILL)


with get_task_stream(client) as stormy:
    report = ia.run(result, str(folder / "killed.zarr"), client=client, progress=kill_one)
print(f"{len(killed)} worker killed; {report.computed} of {report.blocks} blocks computed")
print(same_bits(threads, folder / "killed.zarr"))

# %% [markdown]
# What the workers did, from the first block of each run to its last. Every bar is a block, every row a process. The
# first block of a new process loads the libraries and kernels; with more blocks than here that does not count.

# %%
fig, axes = plt.subplots(2, 1, figsize=(10, 4), layout="compressed")
met = set()
for ax, stream, title in zip(axes, (calm, stormy), ("undisturbed", "one worker killed"), strict=True):
    tasks = sorted(
        (step["start"], step["stop"], task["worker"])
        for task in stream.data
        for step in task["startstops"]
        if step["action"] == "compute" and "work" in task["key"]  # not what the blocks share
    )
    begin, end = tasks[0][0], max(stop for _, stop, _ in tasks)
    dead = killed if stream is stormy else []
    rows = sorted({worker for _, _, worker in tasks}, key=lambda worker: (worker in met) + 2 * (worker in dead))[::-1]
    for start, stop, worker in tasks:
        colour = "0.7" if worker not in met else "tab:red" if worker in dead else "tab:blue"
        met.add(worker)
        width = (stop - start) / (end - begin)
        ax.barh(rows.index(worker), width, 0.7, (start - begin) / (end - begin), color=colour, ec="white", lw=0.4)
    ax.set_yticks(range(len(rows)), ["killed" if row in dead else f"worker {k + 1}" for k, row in enumerate(rows)])
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xticks=[])
    ax.set_title(title, fontsize="medium", loc="left")
axes[1].set_xlabel("share of the run")
for colour, text in (("0.7", "first block of a process"), ("tab:blue", "block"), ("tab:red", "block before the kill")):
    axes[0].barh(0, 0, color=colour, label=text)
_ = axes[0].legend(fontsize="small", ncols=3, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)

# %% [markdown]
# ## Interrupted, and resumed elsewhere
#
# A run in threads is interrupted after 8 blocks. The store has a record of every finished block, written last. The
# same call computes what is missing; on the cluster, if you like: who computes is not part of what the job is.


# %%
def interrupt(finished, blocks):
    if finished == 8:
        raise KeyboardInterrupt


store = folder / "resumed.zarr"
try:
    ia.run(result, str(store), workers=2, progress=interrupt)
except KeyboardInterrupt:
    print("interrupted")
records = {path.stem for path in (store / "_insarray/blocks").glob("*.json")}
report = ia.run(result, str(store), client=client)
print(f"{len(records)} blocks were there; {report.computed} of {report.blocks} computed")
print(same_bits(threads, store))

# %%
done = np.array([[f"{i}.{j}" in records for j in range(len(plan.cols))] for i in range(len(plan.rows))])
fig, axes = plt.subplots(1, 2, figsize=(11, 3.6), layout="compressed")
first = np.kron(done, np.ones((plan.rows[0], plan.cols[0])))
for ax, values, title in zip(axes, (first, 1), ("before the interruption", "resumed"), strict=True):
    velocity = xr.open_zarr(store)[["velocity"]]
    velocity["velocity"] = velocity.velocity.where(values == 1)
    ia.plot.velocity(velocity, ax).set_title(title, fontsize="medium")

# %% [markdown]
# Another job is not mixed in: with other options the store is refused, and says what differs.

# %%
try:
    ia.run(chain(block=60), str(store), client=client)
except ia.InsarrayError as error:
    print(str(error).replace(str(folder), "..."))

# %%
client.close()
cluster.close()
left = [process for process in psutil.Process().children(recursive=True) if process.status() != psutil.STATUS_ZOMBIE]
print(sum("distributed" in " ".join(process.cmdline()) for process in left), "worker processes left")

# %% [markdown]
# ## Which one
#
# | | take it on | memory | it costs |
# |---|---|---|---|
# | threads (default) | one machine | fixed part, and a block for each thread | nothing to set up |
# | `scheduler="local"` | one machine, if reading holds the interpreter lock | both, per process | starting processes |
# | `client=`, an address | several machines, or if a worker may die | as processes | shared files, same environment |
#
# The kernels release the interpreter lock, so threads are enough on one machine in most cases. A worker of the
# cluster with a few threads needs less memory than as many processes of one. A cluster cannot help where the disk is
# the limit.
#
# From the command line: `insarray invert ... --scheduler tcp://HOST:PORT`, `--dry-run` for the plan, the same command
# again to resume, and `insarray status STORE --verify` to check every block against its record. More:
# [clusters](../deploy/README.md), [architecture](../docs/explanation/architecture.md).
