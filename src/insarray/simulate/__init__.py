"""Simulate stacks with known truth, and write them to files."""

from insarray.simulate.points import simulate_wrapped as simulate_wrapped
from insarray.simulate.points import write_wrapped as write_wrapped
from insarray.simulate.stacks import simulate_stack as simulate_stack
from insarray.simulate.stacks import write_geotiffs as write_geotiffs

__all__ = ["simulate_stack", "simulate_wrapped", "write_geotiffs", "write_wrapped"]
