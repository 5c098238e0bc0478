"""``insarray compile``: compile the kernels ahead of the first job."""

import os
import time

from insarray.cli.say import echo
from insarray.cli.stacks_and_series import Compile
from insarray.warm_up import JOBS, warm_up


def compile_kernels(options: Compile) -> None:
    """Compile the kernels, and print a line for each finished group.

    Raises
    ------
    InsarrayError
        If compiled kernels cannot be cached on this machine.
    """
    started = time.monotonic()
    for number, (name, seconds) in enumerate(warm_up(options.workers or os.cpu_count() or 1), 1):
        echo(f"{number} of {JOBS}: {name} ({seconds:.0f} s)")
    echo(f"all kernels are compiled ({time.monotonic() - started:.0f} s)")
