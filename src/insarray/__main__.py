"""Command line with the commands of this package and, in groups, those of MintPy and dolphin, and that of spurt."""

from insarray.cli.main import cli
from insarray.cli.process import main
from insarray.compat.dolphin_cli import dolphin
from insarray.compat.mintpy_cli import mintpy
from insarray.compat.spurt_cli import spurt

cli.add_command(mintpy)
cli.add_command(dolphin)
cli.add_command(spurt)

__all__ = ["cli", "main"]

if __name__ == "__main__":
    main()
