"""Runs: compute the blocks of a lazy dataset into a store, in threads or on a cluster."""
