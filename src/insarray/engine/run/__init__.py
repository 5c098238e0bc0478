"""Runs: threads or a cluster work through the blocks of a lazy dataset."""
