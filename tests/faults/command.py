"""The command line with blocks that take INSARRAY_TEST_SECONDS, also in the worker processes that it starts."""

import os
import signal
import time

from insarray.__main__ import main
from insarray.engine.jobs import compute_block
from insarray.engine.run import workers


def slowly(*arguments):
    """A block, after some time."""
    time.sleep(seconds)
    return compute_block(*arguments)


seconds = float(os.environ["INSARRAY_TEST_SECONDS"])
workers.compute_block = slowly
if __name__ == "__main__":
    if not os.environ.get("INSARRAY_TEST_IGNORES"):  # else it is inherited whether the tests ignore it, as behind nohup
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
