"""The whole command line: the verbs of this package and, in groups of their own, those of its peers."""

from insarray.compat.dolphin_cli import dolphin
from insarray.compat.mintpy_cli import mintpy
from insarray.faces.cli import cli
from insarray.faces.entry import main
from insarray.faces.recipe_cli import config, run

cli.add_command(config)
cli.add_command(run)
cli.add_command(mintpy)
cli.add_command(dolphin)

__all__ = ["cli", "main"]

if __name__ == "__main__":
    main()
