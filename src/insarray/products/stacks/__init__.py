"""What is made of a stack: selections, averages, reference, weights, closure, corrected unwrapping."""
