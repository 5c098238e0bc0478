"""View of the closure of loops."""

from dataclasses import dataclass, field

import xarray as xr

from insarray.model.dataset import loops_of, network_of
from insarray.model.errors import StackError
from insarray.model.loops import Loops
from insarray.model.network import Network
from insarray.products.views.layers import canonical
from insarray.products.views.stacks import View, require_dataset


@dataclass(frozen=True, eq=False)
class LoopsView(View):
    """Closure of loops, as returned by `closure`.

    Parameters
    ----------
    data, order
        See `View`.
    network
        Network of the pairs.
    loops
        Loops in the order of the dataset.
    """

    network: Network = field(kw_only=True)
    loops: Loops = field(kw_only=True)


def as_loops(loops: xr.Dataset | LoopsView) -> LoopsView:
    """Return a view of the closure of loops.

    Raises
    ------
    StackError
        If it is not the result of `closure`, or pairs of its loops have been removed.
    """
    if isinstance(loops, LoopsView):
        return loops
    require_dataset(loops, "loops", "insarray.closure")
    for name in ("closure_phase", "integer_closure"):
        if name not in loops:
            raise StackError(f"loops: has no variable {name!r}; make it with insarray.closure")
    loops = loops.assign_coords({name: c.load() for name, c in loops.coords.items() if c.ndim and c.dims != ("pair",)})
    network = network_of(loops)
    return LoopsView(canonical(loops, "loop"), network=network, loops=loops_of(loops, network))
