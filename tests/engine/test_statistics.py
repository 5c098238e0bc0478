"""What blocks say of themselves, and their sum."""

import json
import random

import numpy as np
import pytest

import insarray as ia
from insarray.engine.store.statistics import Totals, block_statistics
from insarray.engine.store.zarr_store import Store
from tests.engine.test_store_and_run import job


def test_statistics_of_a_block():
    nan = np.nan
    found = block_statistics(
        {
            "displacement": np.array([[[nan, nan, 1.0]], [[nan, 2.0, nan]]], np.float32),
            "velocity": np.array([[nan, nan, 0.5]], np.float32),
            "solver_flag": np.array([[0, 3, 1]], np.uint8),
            "network_subset": np.zeros((2, 1, 3), np.uint8),
        }
    )
    assert found == {
        "pixels": 3,
        "valid_pixels": 2,
        "bytes": 24 + 12 + 3 + 6,
        "sums": {"velocity": (1, 0.5)},
        "counts": {"solver_flag": {"0": 1, "1": 1, "3": 1}},
    }


def test_the_sum_does_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    records = [
        {
            "seconds": 0.1,
            "statistics": block_statistics({"velocity": rng.normal(size=(5, 7)).astype(np.float32) * 10**k}),
        }
        for k in range(12)
    ]
    shuffled = random.Random(1).sample(records, 12)
    assert Totals(shuffled).report() == Totals(records).report()
    assert Totals(records).report()["seconds"] == 1.2


def test_a_map_without_data_has_no_mean():
    record = {"seconds": 0.0, "statistics": block_statistics({"velocity": np.full((2, 2), np.nan, np.float32)})}
    assert Totals([record]).report()["means"] == {"velocity": None}
    assert Totals([record]).report()["valid_pixels"] == 0


def test_a_run_returns_and_stores_what_it_found(tmp_path):
    url = str(tmp_path / "o.zarr")
    statistics = ia.run(job(), url).statistics
    expected = job().compute()
    assert (statistics["blocks"], statistics["pixels"]) == (12, 600)
    for name in ("temporal_coherence", "residual_rms", "velocity"):
        assert statistics["means"][name] == pytest.approx(float(expected[name].astype(float).mean()), rel=1e-12)
    values, counts = np.unique(expected.solver_flag, return_counts=True)
    assert statistics["counts"]["solver_flag"] == dict(zip(map(str, values), counts.tolist(), strict=True))
    assert Store(url).report() == statistics == ia.run(job(), url).statistics
    sizes = [path.stat().st_size for path in (tmp_path / "o.zarr/_insarray/blocks").iterdir()]
    assert max(sizes) < 1024
    assert json.loads((tmp_path / "o.zarr/_insarray/job.json").read_text())["report"] == statistics


def test_an_unfinished_store_says_what_is_there(tmp_path):
    url = str(tmp_path / "o.zarr")

    def stop(finished, _):
        if finished == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ia.run(job(), url, workers=1, progress=stop)
    report = Store(url).report()
    assert report is not None
    assert 4 <= report["blocks"] < 12
