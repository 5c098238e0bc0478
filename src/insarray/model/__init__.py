"""Data model: immutable values (network, grid, loops, time models) and conventions, used by all other layers."""
