"""``insarray dolphin``: dolphin's commands over ours. Heavy imports happen inside commands."""

import click


@click.group()
def dolphin() -> None:
    """Do what dolphin's commands do, from its files to its files."""
