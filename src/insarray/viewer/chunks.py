"""Values of the chunks of a result, made when they are asked for."""

import os
import tempfile
from functools import cached_property
from pathlib import Path

import numpy as np

from insarray.model.errors import ArgumentError
from insarray.viewer.layout import Chunk, click_chunks, map_chunks, shape_of_level
from insarray.viewer.pyramid import Blocks, Kept, Pyramid, workers
from insarray.viewer.results import Layer, Result
from insarray.viewer.straight import Straight, Turns

_ROWS = 24 * 2**20  # bytes of rows of chunks of local stores that are kept for clicks nearby
_TOGETHER = 4 * 2**20  # bytes of small blocks that are read together for a map


class Chunks:
    """Chunks of a result as its Zarr group has them.

    Parameters
    ----------
    result
        The result; its blocks are kept in memory up to a limit, coarse levels in a folder that is removed with it.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        spare = max((os.cpu_count() or 1) - 1, 1)  # one processor is left for clicks
        self._kept, self._pool, self._turns = Kept(), workers("pyramid", min(spare, 2)), Turns()
        self._rows = Kept(_ROWS)
        self._folder = tempfile.TemporaryDirectory(prefix="insarray-view-", ignore_cleanup_errors=True)
        self._layers = {layer.key: layer for layer in result.layers}
        blocks = {layer.key: Blocks([layer.array], self._kept, _TOGETHER) for layer in result.layers}
        shared = {layer.name: blocks[layer.key] for layer in result.layers}
        self._series: dict[str, Blocks | Straight] = {
            name: shared[name]
            if name in shared and not (name == "displacement" and "_tied" in result.data)
            else Blocks([array.transpose("time", "y", "x")], self._kept)
            for name, array in result.series.items()
        }
        self._series |= {
            name: Straight([result.stored[name]], self._rows) for name in result.series if name in result.stored
        }
        if result.maps:
            names = [layer.name for layer in result.maps]
            self._series["maps"] = (
                Straight([result.stored[name] for name in names], self._rows)
                if set(names) <= set(result.stored)
                else Blocks([layer.array for layer in result.maps], self._kept)
            )
        self._pyramids = {
            key: self._pyramid(number, layer, blocks[key]) for number, (key, layer) in enumerate(self._layers.items())
        }

    def _pyramid(self, number: int, layer: Layer, blocks: Blocks) -> Pyramid:
        folder = Path(self._folder.name) / str(number)
        folder.mkdir()
        tied = layer.name == "displacement" and "_tied" in self.result.data
        stored = None if tied else self.result.stored.get(layer.name)
        others = [name for name in self.result.series if name in self.result.stored and name != layer.name]
        beside = [self.result.stored[name] for name in others] if layer.name == "displacement" else []
        return Pyramid(
            blocks, averaged=layer.averaged, folder=folder, pool=self._pool, stored=stored, turns=self._turns, beside=beside
        )  # fmt: skip

    @cached_property
    def steps(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Rows and columns of chunks of maps and of series."""
        return map_chunks(self.result), click_chunks(self.result)

    def values(self, chunk: Chunk) -> np.ndarray:
        """Values of a chunk, float32, without what is beyond the edge.

        Raises
        ------
        ArgumentError
            If there is no such chunk.
        InsarrayError, OSError, ValueError
            If the result cannot be read.
        """
        if chunk.level is None:
            with self._turns.first():
                return self._clicked(chunk)
        layer = self._layers.get(chunk.key)
        if layer is None or chunk.level >= self.result.levels or len(chunk.at) != 2 + layer.dated:
            raise ArgumentError(f"{chunk.key}: no such map")
        time = chunk.at[0] if layer.dated else 0
        if time >= layer.array.sizes["time"]:
            raise ArgumentError(f"{chunk.key}: has no date {time}")
        rows, cols = _window(chunk.at[-2:], self.steps[0], shape_of_level(self.result, chunk.level))
        values = self._pyramids[chunk.key].tile(chunk.level, time, rows, cols)
        return values[None] if layer.dated else values

    def _clicked(self, chunk: Chunk) -> np.ndarray:
        if chunk.key not in self._series or len(chunk.at) != 3 or chunk.at[0]:
            raise ArgumentError(f"{chunk.key}: no such series")
        return self._series[chunk.key].window(*_window(chunk.at[-2:], self.steps[1], self.result.shape))

    def encoded(self, chunk: Chunk) -> bytes:
        """Bytes of a chunk, of full size, little-endian."""
        values = self.values(chunk)
        size = self.steps[0 if chunk.level is not None else 1]
        missing = [(0, full - have) for full, have in zip(size, values.shape[-2:], strict=True)]
        padded = np.pad(values, [(0, 0)] * (values.ndim - 2) + missing, constant_values=np.nan)
        return np.ascontiguousarray(padded, "<f4").tobytes()

    @property
    def damage(self) -> list[str]:
        """Windows that could not be read."""
        return [f"{key}: {text}" for key, pyramid in self._pyramids.items() for text in list(pyramid.damage)]

    @property
    def progress(self) -> float:
        """Share of the coarse levels that are made, of those that were asked for."""
        return min((pyramid.progress for pyramid in self._pyramids.values()), default=1.0)

    def close(self) -> None:
        """Stop and remove the folder."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._kept.close()
        self._rows.close()
        self._pyramids.clear()
        self._folder.cleanup()


def _window(at: tuple[int, ...], size: tuple[int, int], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a chunk."""
    starts = [number * step for number, step in zip(at, size, strict=True)]
    if any(start >= length for start, length in zip(starts, shape, strict=True)):
        raise ArgumentError("chunk: is outside the image")
    rows, cols = (
        slice(start, min(start + step, length)) for start, step, length in zip(starts, size, shape, strict=True)
    )
    return rows, cols
