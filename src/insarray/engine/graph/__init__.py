"""Graphs of lazy datasets: the tasks of a block, what they need, their memory, selections."""
