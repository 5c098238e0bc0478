"""Process-level behaviour of the command line: signals, warnings, one line per failure, exit codes."""

import logging
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from insarray.cli.main import cli
from insarray.cli.say import ShownFormatter, echo
from insarray.model.streams import ShownStream

_NO_MEMORY = re.compile("cannot allocate memory|failed to map segment|can't start new thread", re.IGNORECASE)

_LONGEST = 4000  # maximum characters of a line

_stopped_by: BaseException | None = None


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    warnings.showwarning = _show_warning
    sys.stdout, sys.stderr = (stream and ShownStream(stream) for stream in (sys.stdout, sys.stderr))  # None if closed
    if logging.lastResort is not None:  # for warnings of other packages
        logging.lastResort.setFormatter(ShownFormatter())
    signal.signal(signal.SIGTERM, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not ignored, as with nohup
        signal.signal(signal.SIGINT, _interrupt)
    code = run_command(sys.argv[1:])
    if _still_at_a_block():
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _still_at_a_block() -> bool:
    """Return whether a thread computes a block that it may no longer write, which need not be waited for."""
    workers = sys.modules.get("insarray.engine.run.workers")  # only loaded by commands that compute
    return workers is not None and any(thread.name.startswith(workers.THREADS) for thread in threading.enumerate())


def _end(*_: object) -> NoReturn:
    """Exit cleanly, once, as requested by a batch system at the end of the walltime."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _stop(SystemExit(143))


def _interrupt(*_: object) -> NoReturn:
    _stop(KeyboardInterrupt())


def _stop(why: BaseException) -> NoReturn:
    """Raise `why`, and keep it, as callbacks of the compiler lose it and fail with another error."""
    global _stopped_by
    _stopped_by = why
    sys.unraisablehook = lambda _: None  # suppress the report of the lost exception
    raise why


def _show_warning(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """Print warnings of insarray on one line, others as Python does."""
    from insarray.model.deprecation import DeprecatedNameWarning
    from insarray.model.errors import StackWarning

    if issubclass(category, StackWarning | DeprecatedNameWarning):
        echo(f"insarray: note: {message}", err=True)
    else:
        echo(warnings.formatwarning(message, category, *where[:2]), err=True, nl=False)


def show_log(*, debug: bool) -> None:
    """Print the messages of the logger ``insarray`` to stderr, one line each."""
    handler = logging.StreamHandler()
    handler.setFormatter(ShownFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("insarray")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.INFO)


@contextmanager
def _log_as_found() -> Iterator[None]:
    """Restore the logger after one command, as the stream of `show_log` may be closed when the process continues."""
    logger = logging.getLogger("insarray")
    handlers, level = list(logger.handlers), logger.level
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)


@_log_as_found()
def run_command(arguments: list[str]) -> int:
    """Run a command and return its exit code; every failure is one line on stderr."""
    from insarray.model.errors import InsarrayError

    try:
        _run(arguments)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _fail(error.format_message().replace("\n", " "), error.exit_code)
    except InsarrayError as error:
        return _fail(str(error).replace("\n", " "), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("stopped; finished blocks are kept, run the same command again to go on", 130)
    except SystemExit as stop:
        if stop is not _stopped_by:  # not from `_end`: shell completion exits this way
            raise
        return _fail("asked to end (SIGTERM); finished blocks are kept, run the same command again to go on", 143)
    except MemoryError as error:
        return _fail(_out_of_memory(error), 2)
    except OSError as error:
        return _fail(f"{error.filename or 'system'}: {error.strerror or error}", 2)
    except Exception as error:  # the last resort: one line instead of a traceback
        if os.environ.get("INSARRAY_DEBUG"):
            raise
        if isinstance(error, ImportError | RuntimeError) and _NO_MEMORY.search(str(error)):
            return _fail(_out_of_memory(error), 2)
        from insarray.engine.store.checksums import of_damaged_chunk

        if of_damaged_chunk(error):
            return _fail(_damaged(arguments, error), 7)
        return _fail(
            f"internal error, please report it ({type(error).__name__}: {error}); INSARRAY_DEBUG=1 shows more", 1
        )
    return 0


def _damaged(arguments: list[str], error: Exception) -> str:
    """Return the message for a damaged chunk; the codecs do not say of which store it is."""
    stores = [word for word in arguments if os.path.isdir(os.path.join(word, "_insarray"))]
    named = " or ".join(stores) or "a store"
    return (
        f"{named}: a chunk is damaged ({error}); insarray status {' or '.join(stores) or 'STORE'} --discard-damaged "
        "says which block, then repeat the command that made it"
    )


def _out_of_memory(error: BaseException) -> str:
    said = f" ({error})" if str(error) else ""
    return (
        f"memory: there is not enough of it, or a limit such as that of ulimit -v is too low{said}; give fewer --workers, a "
        "smaller --block, or raise the limit; finished blocks are kept"
    )


def _run(arguments: list[str]) -> None:
    try:
        cli.main(arguments or ["--help"], prog_name="insarray", standalone_mode=False)
    except Exception as error:  # whatever the signal interrupted; anything else is raised again
        if _stopped_by is not None and not isinstance(error, click.exceptions.Exit):
            raise _stopped_by from error
        raise


def _fail(message: str, code: int) -> int:
    echo(f"insarray: {message if len(message) <= _LONGEST else f'{message[:_LONGEST]} ...'}", err=True)
    return code
