"""Products: user-facing functions that check a dataset, plan, and map a kernel over its blocks."""
