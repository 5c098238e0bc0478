"""Fits of time functions to series or pairs, and predictions from them."""
