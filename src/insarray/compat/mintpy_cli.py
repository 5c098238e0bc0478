"""``insarray mintpy``: MintPy's commands over ours. Heavy imports happen inside commands."""

import click


@click.group()
def mintpy() -> None:
    """Do what MintPy's commands do, from its files to its files."""
