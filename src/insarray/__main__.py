"""Command line with the commands of this package and, in groups, those of MintPy and dolphin."""

from insarray.cli.main import cli
from insarray.cli.process import main
from insarray.compat.dolphin_cli import dolphin
from insarray.compat.mintpy_cli import mintpy

cli.add_command(mintpy)
cli.add_command(dolphin)

__all__ = ["cli", "main"]

if __name__ == "__main__":
    main()
