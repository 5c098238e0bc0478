"""dolphin as a contender: `invert_stack` with neither, weights, or flags of missing samples."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from cases import Array, Samples
from contenders import CORES, Contender, Share

_COLUMNS = 32


class DolphinShare(NamedTuple):
    """How dolphin is called: `block` pixels a call, one call after the other.

    Its weights are all that counts where it gets them: a missing sample is a weight of 0. Without weights a missing
    sample is flagged. Arrays are handed over as JAX arrays, prepared before the timing.
    """

    block: int

    def __call__(self, samples: Samples) -> Callable[[], list[Any]]:
        """Function that solves all pixels."""
        import jax.numpy as jnp
        from dolphin.timeseries import get_incidence_matrix

        design = jnp.asarray(get_incidence_matrix([(int(i), int(j)) for i, j in samples.network.pairs]), np.float32)
        blocks = range(0, samples.pixels, self.block)
        return partial(_solve, design, [_arguments(samples.part(start, start + self.block)) for start in blocks])


def _arguments(part: Samples) -> tuple[Any, ...]:
    """Arguments of `invert_stack` after the design matrix."""
    import jax.numpy as jnp

    shape = (len(part.phase), -1, _COLUMNS)
    valid = ~np.isnan(part.phase)
    phase = jnp.asarray(np.nan_to_num(part.phase).reshape(shape))
    if part.weights is not None:
        return phase, jnp.asarray((part.weights * valid).reshape(shape))
    if not valid.all():
        # the flags count only if there are weights, which are then ignored
        return phase, jnp.ones_like(phase), jnp.asarray(valid.reshape(shape))
    return (phase,)


def _solve(design: Any, blocks: list[tuple[Any, ...]]) -> list[Any]:
    import jax
    from dolphin.timeseries import invert_stack

    return [jax.block_until_ready(invert_stack(design, *arguments))[0] for arguments in blocks]


class DolphinL1Share(NamedTuple):
    """`invert_stack_l1`: 20 ADMM steps, no weights, no missing samples; the rest as in `DolphinShare`."""

    block: int

    def __call__(self, samples: Samples) -> Callable[[], list[Any]]:
        """Function that solves all pixels."""
        import jax.numpy as jnp
        from dolphin.timeseries import get_incidence_matrix

        design = jnp.asarray(get_incidence_matrix([(int(i), int(j)) for i, j in samples.network.pairs]), np.float32)
        blocks = range(0, samples.pixels, self.block)
        return partial(_solve_l1, design, [_arguments(samples.part(start, start + self.block)) for start in blocks])


def _solve_l1(design: Any, blocks: list[tuple[Any, ...]]) -> list[Any]:
    import jax
    from dolphin.timeseries import invert_stack_l1

    return [jax.block_until_ready(invert_stack_l1(design, *arguments))[0] for arguments in blocks]


def dolphin_contenders(
    samples: Samples,
    in_processes: Callable[[Share], None],
    blocks: list[int],
    make: type[DolphinShare] | type[DolphinL1Share] = DolphinShare,
) -> list[Contender]:
    """Every setting of dolphin that might be its best: pixels per call; XLA's own threads, or a process per core.

    Calls from two threads, as in its workflow, are no setting: with two cores and missing samples they wait for each
    other forever (JAX 0.10.2), and processes give it the same cores.
    """
    found = []
    for block in blocks:
        share = make(block)
        solve = share(samples)

        def series(count: int, solve: Callable[[], list[Any]] = solve) -> Array:
            flat = np.concatenate([np.asarray(part).reshape(len(part), -1) for part in solve()], axis=1)[:, :count]
            return np.concatenate([np.zeros((1, flat.shape[1])), flat])

        ways: dict[str, Callable[[], object]] = {f"XLA's threads, {block:,} px a call": solve}
        if block <= samples.pixels // CORES:
            ways[f"{CORES} processes of 1 thread, {block:,} px a call"] = partial(in_processes, share)
        found += [Contender("dolphin", way, samples.pixels, run, series) for way, run in ways.items()]
    return found
