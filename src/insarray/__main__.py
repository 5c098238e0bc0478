"""``python -m insarray``."""

from insarray.faces.cli import main

main()
