"""Choice of blocks: on the tiles of the files, bounded in memory."""

from dataclasses import dataclass

import numpy as np
import pytest

from insarray.io.layers.lazy import block_shape


@dataclass
class Files:
    """As much of a layer as the choice needs."""

    shape: tuple[int, int, int]
    tile: tuple[int, int]
    dtype = np.dtype(np.float32)
    fingerprint = ""


@pytest.mark.parametrize(
    ("shape", "tile", "expected"),
    [
        ((300, 2000, 2000), (256, 256), (256, 256)),
        ((300, 2000, 2000), (128, 128), (256, 256)),
        ((300, 2000, 2000), (100, 100), (300, 300)),
        ((30, 5000, 5000), (512, 512), (512, 512)),  # whole tiles while they fit
        ((1000, 5000, 5000), (512, 512), (171, 171)),  # a third of a tile: 117 MB
        ((54, 120, 160), (30, 40), (120, 160)),
        ((30, 60, 100), (60, 100), (60, 100)),
        ((300, 2000, 2000), (1, 2000), (53, 2000)),  # strips: full-width bands
        ((300, 2000, 2000), (8, 2000), (48, 2000)),
        ((10, 2000, 2000), (1, 2000), (131, 2000)),
        ((2000, 20000, 20000), (1, 20000), (1, 20000)),
        ((300, 2000, 2000), (2000, 2000), (286, 286)),  # one piece: equal parts
        ((90, 4000, 4000), (256, 256), (512, 512)),
        ((90, 1000, 1000), (256, 256), (256, 256)),  # smaller, for enough blocks
    ],
)
def test_automatic(shape: tuple[int, int, int], tile: tuple[int, int], expected: tuple[int, int]) -> None:
    assert block_shape(Files(shape, tile)) == expected


@pytest.mark.parametrize("pairs", [1, 50, 300, 2000, 20000])
@pytest.mark.parametrize("tile", [(1, 3000), (64, 64), (256, 256), (100, 70), (512, 512), (1024, 1024), (3000, 3000)])
def test_memory(pairs: int, tile: tuple[int, int]) -> None:
    rows, cols = block_shape(Files((pairs, 3000, 3000), tile))
    strip = tile[1] * tile[0] if tile == (1, 3000) else 1
    assert 1 <= rows <= 3000
    assert 1 <= cols <= 3000
    assert pairs * rows * cols * 4 <= max(128e6, 4 * pairs * strip)


def test_given() -> None:
    assert block_shape(Files((10, 2000, 100), (256, 256)), 300) == (300, 100)
    assert block_shape(Files((10, 2000, 100), (1, 100)), 7) == (7, 7)
