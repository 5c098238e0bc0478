"""Unwrapping and its errors: closure of loops, whole cycles, bridges between components, residues."""
