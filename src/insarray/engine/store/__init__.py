"""Stores: Zarr arrays, the ledger of finished blocks, locks, files of other programs."""
