"""Stores: Zarr arrays, ledger of finished blocks, locks, and checks for files of other programs."""
