"""Corrections of series and stacks: troposphere, tides, ionosphere; applied once, and assessed."""
