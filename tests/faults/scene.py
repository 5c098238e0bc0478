"""A small job whose blocks meet with trouble on demand, and what its faults are compared by."""

import json
import os
import signal
import sys
import time
import uuid
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

import insarray as ia
from tests.stacks import stack_of

BLOCKS = 12


def job(folder: Path | str, **options) -> xr.Dataset:
    """Series and velocity of 12 blocks; each looks into `folder` whether it should get into trouble."""
    os.makedirs(folder, exist_ok=True)
    stack = stack_of()
    phase = stack.unwrapped_phase
    blocks = phase.data.numblocks[1:]
    index = da.arange(blocks[0] * blocks[1], chunks=1).reshape((1, *blocks))
    phase.data = da.map_blocks(_meet, phase.data, index, str(folder), dtype=phase.dtype, meta=phase.data._meta)
    series = ia.invert(stack.assign(unwrapped_phase=phase), **{"reference": None, **options})
    return series.merge(ia.fit(series), combine_attrs="override")


def _meet(values: np.ndarray, index: np.ndarray, folder: str) -> np.ndarray:
    if not values.size:
        return values
    block = divmod(int(index.ravel()[0]), 4)
    path = Path(folder, f"{block[0]}.{block[1]}.json")
    if not path.exists():
        path = Path(folder, "all.json")
    if path.exists():
        trouble = json.loads(path.read_text())
        times = len(list(Path(folder).glob(f"met-{block[0]}.{block[1]}-*")))
        Path(folder, f"met-{block[0]}.{block[1]}-{uuid.uuid4().hex}").touch()
        if times < trouble["times"]:
            _suffer(trouble["what"])
    return values


def _suffer(what: str) -> None:
    if what == "kill":
        time.sleep(0.3)  # in mid-block, with others beside it
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "hang":
        time.sleep(10_000)
    elif what == "memory":
        taken = []
        while sum(map(len, taken)) < 4_000_000_000:
            taken.append(bytearray(os.urandom(1 << 10) * 50_000))
            time.sleep(0.02)
        raise AssertionError("nobody minded 4 GB")
    elif what.startswith("say"):
        print(what[4:], file=sys.stderr, flush=True)
    elif what.startswith("sleep"):
        time.sleep(float(what.split()[1]))


def trouble(folder: Path | str, block: tuple[int, int] | None, what: str, times: int = 10**6) -> Path:
    """Have a block, or every one, get into trouble the first few times; the file that says so."""
    path = Path(folder, "all.json" if block is None else f"{block[0]}.{block[1]}.json")
    path.write_text(json.dumps({"what": what, "times": times}))
    return path


def attempts(folder: Path | str, block: tuple[int, int]) -> int:
    """How often a block has met its trouble."""
    return len(list(Path(folder).glob(f"met-{block[0]}.{block[1]}-*")))


def state(url: Path | str) -> dict[str, int]:
    """Time of every file of a store, by which a late writer is noticed."""
    return {str(path): path.stat().st_mtime_ns for path in Path(url).rglob("*") if path.name != "lock"}
