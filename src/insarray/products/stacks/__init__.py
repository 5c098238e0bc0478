"""Products of a stack: selections, averages, reference, weights, closure, unwrapping corrections."""
