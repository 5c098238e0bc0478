"""Integration of arcs to points, ours and SciPy's unweighted `lsqr` at its default tolerances, against the exact answer.

Random points, velocities with independent errors of the arcs, 5 % of them wrong by up to 20 mm/year, 3 % of the points
pure noise. Prints seconds, the largest and root mean square distance (mm/year) from a direct solution of the same
unweighted problem, and for the robust estimate the error against the truth at the good points.
"""

import argparse
import resource
import time

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import lsqr

from insarray.kernels.links.arcs import delaunay
from insarray.kernels.links.potentials import integrate


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200_000)
    count = parser.parse_args().points
    rng = np.random.default_rng(0)
    x, y = 100 * np.sqrt(count) * rng.random((2, count))
    clock = time.perf_counter()
    a, b = delaunay(x, y).arcs
    print(f"delaunay: {count} points, {a.size} arcs, {time.perf_counter() - clock:.1f} s")

    velocity = 10 * np.sin(x / 7e3) * np.cos(y / 5e3)
    noise = rng.random(count) < 0.03
    std = rng.uniform(0.3, 1.3, a.size)
    difference = velocity[b] - velocity[a] + std * rng.normal(size=a.size)
    wrong = (rng.random(a.size) < 0.05) | noise[a] | noise[b]
    difference[wrong] = rng.uniform(-20, 20, wrong.sum())
    data, sigma, equal = difference[None], std[None], np.ones((1, a.size))
    integrate(a[:1], b[:1], data[:, :1], sigma[:, :1], count)  # compiles

    seconds, results = {}, {}
    for name, weights, robust in (("unweighted", equal, False), ("weighted", sigma, False), ("robust", sigma, True)):
        clock = time.perf_counter()
        results[name] = integrate(a, b, data, weights, count, robust=robust, reference=0)
        seconds[name] = time.perf_counter() - clock
    arc, sign = np.tile(np.arange(a.size), 2), np.repeat([-1.0, 1.0], a.size)
    incidence = csr_array((sign, (arc, np.concatenate([a, b]))), shape=(a.size, count))[:, 1:]
    clock = time.perf_counter()
    peer = np.concatenate([[0.0], lsqr(incidence, difference)[0]])
    seconds["lsqr"] = time.perf_counter() - clock
    off = np.abs(peer - results["unweighted"].value[0])
    gradient = incidence.T @ (difference - incidence @ results["unweighted"].value[0, 1:])
    print(f"lsqr: {seconds['lsqr']:.1f} s, {off.max():.1e} at most and {np.sqrt((off**2).mean()):.1e} rms off")
    for name, found in results.items():
        error = found.value[0] - velocity
        error = (error - np.median(error[~noise]))[~noise]
        print(
            f"{name} with standard errors: {seconds[name]:.1f} s ({seconds['lsqr'] / seconds[name]:.1f} x lsqr), "
            f"{int(found.iterations[0])} steps, rms error {np.sqrt((error**2).mean()):.3f}"
        )
    print(f"largest gradient left of the unweighted solution: {np.abs(gradient).max():.1e}")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
