"""The command line with blocks that take their time: `python -m tests.faults.command SECONDS invert ...`."""

import sys
import time

from insarray.__main__ import main
from insarray.engine import workers
from insarray.engine.jobs import compute_block


def slowly(*arguments):
    """A block, after some time."""
    time.sleep(seconds)
    return compute_block(*arguments)


seconds = float(sys.argv.pop(1))
workers.compute_block = slowly
if __name__ == "__main__":
    main()
