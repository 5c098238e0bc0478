"""Readers, one per product: scan the files of a processor and return a source."""
