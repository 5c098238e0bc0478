"""Robust inversion of pair networks: L1 (interior point, ADMM) and Huber."""
