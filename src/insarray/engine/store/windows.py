"""Windows of arrays of a local store: of each chunk only the compressed blocks with pixels of the window are decoded."""

import itertools
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import numpy as np
import zarr
from numcodecs import Blosc
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec

from insarray.model.errors import StoreError

_HEADER = struct.Struct("<4B3I")  # versions, flags, item size; bytes, bytes of a block, bytes of the frame
_COPIED = 0x02  # flag of a frame that is not compressed
_AT_ONCE = 2**20
_CHECKSUM = 4
_BLOSC = Blosc()
_crc_of_more: Callable[[int, bytes], int] = google_crc32c.extend


class StoredArray:
    """An array (..., y, x) of a store on a local disk, with at most one dimension before y.

    A click in a map needs a thousand pixels of a chunk of millions. The frames of Blosc consist of blocks of some rows, which
    can be decoded one by one. Of each file that is read the checksum is compared once.

    Parameters
    ----------
    folder
        Folder of the array.

    Raises
    ------
    StoreError
        If it is stored in another way.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)
        array: zarr.Array[Any] = zarr.open_array(self._folder, mode="r")
        codecs = tuple(type(codec) for codec in getattr(array.metadata, "codecs", ()))
        known = {(BytesCodec, BloscCodec, Crc32cCodec): True, (BytesCodec, Crc32cCodec, BloscCodec): False}
        if codecs not in known or array.ndim not in (2, 3) or array.dtype.str[0] == ">":
            raise StoreError(f"{folder}: is not stored as blocks of Blosc with a checksum")
        self.shape, self.chunks, self.dtype = array.shape, array.chunks, array.dtype
        self._checksum_last = known[codecs]
        self._verified: set[tuple[str, int, int, int]] = set()

    def window(self, rows: slice, cols: slice, lead: slice = slice(None)) -> np.ndarray:
        """Values of some rows and columns, of all dates or some.

        Raises
        ------
        StoreError
            If a chunk is damaged.
        OSError
            If one cannot be read.
        """
        parts = (lead, rows, cols)[-len(self.shape) :]
        wanted = [slice(*part.indices(size)) for part, size in zip(parts, self.shape, strict=True)]
        found = np.empty([max(part.stop - part.start, 0) for part in wanted], self.dtype)
        for at in self._chunks_of(wanted):
            starts = [number * step for number, step in zip(at, self.chunks, strict=True)]
            common = [
                slice(max(part.start, start), min(part.stop, start + step))
                for part, start, step in zip(wanted, starts, self.chunks, strict=True)
            ]
            inside = [slice(c.start - start, c.stop - start) for c, start in zip(common, starts, strict=True)]
            place = tuple(
                slice(c.start - part.start, c.stop - part.start) for c, part in zip(common, wanted, strict=True)
            )
            found[place] = self._part(at, inside)
        return found

    def verify(self, rows: slice, cols: slice) -> None:
        """Compare the checksums of the chunks of some rows and columns, so that the next windows need not.

        Raises
        ------
        StoreError
            If a chunk is damaged.
        OSError
            If one cannot be read.
        """
        for at in self._chunks_of([*(slice(0, size) for size in self.shape[:-2]), rows, cols]):
            path = self._path(at)
            with path.open("rb") as file:
                self._verify(file, path)

    def _chunks_of(self, wanted: list[slice]) -> Iterator[tuple[int, ...]]:
        """Numbers of the chunks that hold a window."""
        return itertools.product(
            *(range(part.start // step, -(-part.stop // step)) for part, step in zip(wanted, self.chunks, strict=True))
        )

    def _path(self, at: tuple[int, ...]) -> Path:
        return self._folder.joinpath("c", *map(str, at))

    def _part(self, at: tuple[int, ...], inside: list[slice]) -> np.ndarray:
        """Part of a chunk."""
        path = self._path(at)
        with path.open("rb") as file:
            self._verify(file, path)
            *leads, rows, cols = inside
            height, width = self.chunks[-2:]
            row = width * self.dtype.itemsize
            dates = range(leads[0].start, leads[0].stop) if leads else range(1)
            spans = [((date * height + rows.start) * row, (date * height + rows.stop) * row) for date in dates]
            try:
                decoded = _decoded(file, spans)
            except (RuntimeError, ValueError, struct.error) as error:
                raise StoreError(f"{path}: is damaged ({error})") from error
        shape = (rows.stop - rows.start, width)
        found = np.empty((len(dates), shape[0], cols.stop - cols.start), self.dtype)
        for values, content in zip(found, decoded, strict=True):
            values[:] = np.frombuffer(content, self.dtype).reshape(shape)[:, cols]
        return found if leads else found[0]

    def _verify(self, file: BinaryIO, path: Path) -> None:
        """Compare the checksum of a file, once as long as it stays the same."""
        stat = os.fstat(file.fileno())
        key = (str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if key in self._verified:
            return
        if self._checksum_last:
            value, end = 0, stat.st_size - _CHECKSUM
            for start in range(0, end, _AT_ONCE):
                value = _crc_of_more(value, _read(file, start, min(_AT_ONCE, end - start)))
            stored = _read(file, max(end, 0), _CHECKSUM)
        else:
            try:
                content = _whole(_read(file, 0, stat.st_size))
            except (RuntimeError, ValueError) as error:
                raise StoreError(f"{path}: is damaged ({error})") from error
            value, stored = _crc_of_more(0, content[:-_CHECKSUM]), content[-_CHECKSUM:]
        if value != int.from_bytes(stored, "little"):
            raise StoreError(f"{path}: is damaged (its checksum differs)")
        self._verified.add(key)


def _whole(frame: bytes) -> bytes:
    """What a frame holds; Blosc itself reads beyond the end of one that is cut short."""
    if len(frame) < _HEADER.size or _HEADER.unpack(frame[: _HEADER.size])[-1] != len(frame):
        raise ValueError("it is cut short")
    found: bytes = _BLOSC.decode(frame)
    return found


def _read(file: BinaryIO, start: int, size: int) -> bytes:
    file.seek(start)
    return file.read(size)


def _decoded(file: BinaryIO, spans: list[tuple[int, int]]) -> list[memoryview]:
    """Spans of the bytes that a frame holds, in ascending order."""
    *kinds, total, block, length = _HEADER.unpack(_read(file, 0, _HEADER.size))
    if block == 0 or total < spans[-1][1]:
        raise ValueError("it holds less than a chunk")
    count = -(-total // block)
    wanted = np.unique(np.concatenate([np.arange(start // block, (stop - 1) // block + 1) for start, stop in spans]))
    if wanted[0] == count - 1 and count > 1:
        wanted = np.array([count - 2, count - 1])  # the last block may be short, and is then no whole frame
    if kinds[2] & _COPIED or len(wanted) == count:
        whole = memoryview(_whole(_read(file, 0, length)))
        return [whole[start:stop] for start, stop in spans]
    starts = np.frombuffer(_read(file, _HEADER.size, 4 * count), "<u4").astype(np.int64)
    ordered = np.sort(starts)
    lengths = np.append(ordered, length)[np.searchsorted(ordered, starts) + 1] - starts
    content = [_read(file, int(starts[k]), int(lengths[k])) for k in wanted]
    places = _HEADER.size + 4 * len(wanted) + np.cumsum([0, *(len(part) for part in content)])
    size = (len(wanted) - 1) * block + min(block, total - int(wanted[-1]) * block)
    head = _HEADER.pack(*kinds, size, min(block, size), int(places[-1]))
    whole = memoryview(_BLOSC.decode(b"".join([head, places[:-1].astype("<u4").tobytes(), *content])))
    begins = [int(np.searchsorted(wanted, start // block)) * block + start % block for start, _ in spans]
    return [whole[begin : begin + stop - start] for begin, (start, stop) in zip(begins, spans, strict=True)]
