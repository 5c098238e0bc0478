"""Append: the bits of a fresh run, whatever is kept; refusals; the old store until the new one is whole."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine.run import append as append_module
from insarray.engine.run.append import Appended, append, find_change
from insarray.engine.store import swap as swap_module
from insarray.engine.store.swap import new_beside
from insarray.engine.store.zarr_store import Store, open_store
from insarray.io.layers.raster import RasterLayer
from insarray.kernels.network.elimination_plan import plan_elimination
from insarray.model.dataset import fingerprint_coords
from insarray.model.errors import ArgumentError, PartialRunError, StoreError, StoreMismatchError
from insarray.model.network import Network
from tests.engine.test_store_and_run import fail_at
from tests.networks import nearest, random_network
from tests.stacks import stack_of


def chunked(stack, block=8):
    return stack.chunk({"pair": -1, "y": block, "x": block}).assign_coords(stack.coords)


def known(stack):
    """Stack whose pairs are known by a fingerprint of each, as those of files are."""
    hashes = [hashlib.sha256(label.encode()).hexdigest() for label in stack.insar.network.labels]
    return stack.assign_coords(fingerprint_coords(hashes))


def longer(network=None, *, new=None, cols=slice(0, 12), block=8, missing=0.1, seed=0):
    """The whole stack, whose new pairs have data in some columns only, and the stack of the pairs before."""
    network = network or nearest(9, 3)
    new = network.secondary == network.n_dates - 1 if new is None else new
    stack = known(stack_of(network, missing=missing, block=None, seed=seed))
    outside = np.ones(stack.sizes["x"], bool)
    outside[cols] = False
    stack.unwrapped_phase[np.flatnonzero(new), :, np.flatnonzero(outside)] = np.nan
    old = stack.isel(pair=np.flatnonzero(~new))
    old = old.assign_coords(pair=np.arange(old.sizes["pair"]))
    return chunked(stack, block), chunked(old, block)


def series(stack, **options):
    found = ia.invert(stack, **{"reference": (5, 5), **options})
    return found.merge(ia.fit(found), combine_attrs="override")


def same_bits(first, second):
    """Every variable and coordinate, to the last bit; NaN is NaN."""
    with xr.open_zarr(first) as a, xr.open_zarr(second) as b:
        assert set(a.variables) == set(b.variables)
        for name in map(str, a.variables):
            one, other = a[name].values, b[name].values
            assert one.dtype == other.dtype
            if one.dtype.kind == "f":
                missing = np.isnan(one)
                np.testing.assert_array_equal(missing, np.isnan(other), err_msg=name)
                bits = f"u{one.dtype.itemsize}"
                one, other = one[~missing].view(bits), other[~missing].view(bits)
            np.testing.assert_array_equal(one, other, err_msg=name)
        left_out = {"history", "source"}
        assert {k: v for k, v in a.attrs.items() if k not in left_out} == {
            k: v for k, v in b.attrs.items() if k not in left_out
        }


def appended(tmp_path, stack, old, **options):
    """Report of an append that is held to the bits of a fresh run."""
    ia.run(series(old, **options), str(tmp_path / "o.zarr"))
    report = append(series(stack, **options), str(tmp_path / "o.zarr"))
    ia.run(series(stack, **options), str(tmp_path / "fresh.zarr"))
    same_bits(tmp_path / "o.zarr", tmp_path / "fresh.zarr")
    assert sorted(os.listdir(tmp_path)) == ["fresh.zarr", "o.zarr"]
    assert Store(str(tmp_path / "o.zarr")).verify() == report.blocks
    return report


# -- the bits of a fresh run ----------------------------------------------------------------------------------------


def test_blocks_without_new_samples_are_kept(tmp_path):
    report = appended(tmp_path, *longer())
    assert report == Appended(str(tmp_path / "o.zarr"), 12, 6, 6, 3, 1, None)
    flags = open_store(str(tmp_path / "o.zarr")).solver_flag.values
    assert set(np.unique(flags[:, 12:])) <= {0, 3, 4}  # the new date is untied there, and the flag says so


OPTIONS = [
    {},
    {"gap": "subset"},
    {"weights": "coherence"},
    {"weights": "variance", "gap": "subset"},
    {"weights": "fisher"},
    {"reference": None},
    {"reference": "area"},
    {"gap": "nsbas"},
    {"gap": "min_norm", "weights": "coherence"},
    {"norm": "l1"},
    {"norm": "huber", "weights": "variance"},
    {"norm": "l1", "iterations": 20},
]


@pytest.mark.parametrize("case", [*range(5), *(pytest.param(k, marks=pytest.mark.slow) for k in range(5, 16))])
def test_any_append_has_the_bits_of_a_fresh_run(tmp_path, case):
    rng = np.random.default_rng(case)
    options = dict(OPTIONS[case % len(OPTIONS)])
    if options.get("reference") == "area":
        options["reference"] = ia.area(4, 7, 4, 7)
    dates = int(rng.integers(5, 14))
    network = nearest(dates, int(rng.integers(2, 5))) if case % 2 else random_network(rng, dates, 2 * dates)
    new = network.secondary >= dates - rng.integers(1, 3)
    if case % 3 == 0:  # pairs between dates that are there, or a date in the middle
        new |= rng.random(network.n_pairs) < 0.2
    if new.all():
        new[0] = False
    missing = float(rng.choice([0.0, 0.1, 0.5]))
    if options.get("gap", "nan") == "nan" and network.subset(~new).n_components > 1:
        options["gap"] = "subset"
    stack, old = longer(
        network,
        new=new,
        cols=slice(0, int(rng.integers(6, 20))),
        block=int(rng.choice([7, 8, 10, 30])),
        missing=missing,
    )
    report = appended(tmp_path, stack, old, **options)
    if "norm" in options:
        assert report.kept == 0
        assert "norm" in report.reason


@pytest.mark.parametrize("neighbours", [2, 3, 4])
def test_a_later_date_of_a_nearest_network_keeps_the_order(neighbours):
    """And with it the blocks; the measure of how often append is of use."""
    before, now = nearest(20, neighbours), nearest(21, neighbours)
    stack = ia.invert(chunked(known(stack_of(now, block=None))), reference=(5, 5))
    constants = append_module.block_call_of(stack.displacement.variable, "displacement").constants
    assert constants.changes_all(before) is None


@pytest.mark.slow
def test_another_order_of_elimination_keeps_nothing(tmp_path):
    rng = np.random.default_rng(3)
    for _ in range(50):
        network = random_network(rng, 12, 26)
        before = network.subset(network.secondary < 11)
        orders = [plan_elimination(n.pairs, n.n_dates).order.tolist() for n in (network, before)]
        if before.n_dates == 11 and before.n_components == 1 and [v for v in orders[0] if v < 11] != orders[1]:
            break
    report = appended(tmp_path, *longer(network))
    assert (report.kept, report.computed) == (0, 12)
    assert "another order" in report.reason


@pytest.mark.slow
def test_new_pairs_without_new_dates_keep_the_rest_even_with_a_model_across_gaps(tmp_path):
    network = nearest(8, 4)
    new = (network.secondary - network.reference) == 4
    report = appended(tmp_path, *longer(network, new=new), gap="min_norm")
    assert (report.kept, report.new_dates) == (6, 0)


@pytest.mark.parametrize("bad", [pytest.param("earlier", marks=pytest.mark.slow), "area"])
def test_what_changes_everywhere_is_computed_everywhere(tmp_path, bad):
    network, options = nearest(9, 3), {}
    if bad == "earlier":
        stack, old = longer(network, new=network.reference == 0)
        word = "first date"
    else:
        stack, old = longer(network)
        old.unwrapped_phase[:, 4:8, 4:8] = 1.0  # all pairs there; in the new ones a pixel is missing
        stack, old = (s.compute() for s in (stack, old))
        stack.unwrapped_phase[:, 4:8, 4:8] = 1.0
        stack.unwrapped_phase[-1, 4, 4] = np.nan
        stack, old = chunked(stack), chunked(old)
        options, word = {"reference": ia.area(4, 8, 4, 8)}, "fewer pixels"
    report = appended(tmp_path, stack, old, **options)
    assert report.kept == 0
    assert word in report.reason


@pytest.mark.slow
def test_other_files_of_an_old_pair_compute_everything(tmp_path):
    stack, old = longer()
    values = old.pair_fingerprint.values.copy()
    values[2] += 1
    report = appended(tmp_path, stack, old.assign_coords(pair_fingerprint=("pair", values, old.pair_fingerprint.attrs)))
    assert report.kept == 0
    assert report.reason == f"the files of {old.insar.network.labels[2]} have changed"


@pytest.mark.parametrize("which", ["store", "series"])
def test_pairs_that_are_not_known_one_by_one_compute_everything(tmp_path, which):
    stack, old = longer()
    if which == "store":
        old = old.drop_vars("pair_fingerprint")
    else:
        stack = stack.drop_vars("pair_fingerprint")
    ia.run(series(old), str(tmp_path / "o.zarr"))
    report = append(series(stack), str(tmp_path / "o.zarr"))
    assert (report.kept, report.computed, report.new_pairs) == (0, 12, 3)
    assert ("does not say" if which == "store" else "pair by pair") in report.reason


def test_a_block_is_computed_to_prove_what_is_kept(tmp_path):
    """What was done to the stack in Python leaves no trace but in the values."""
    stack, old = longer()
    ia.run(series(old), str(tmp_path / "o.zarr"))
    stack["unwrapped_phase"] = stack.unwrapped_phase * np.float32(1.0001)
    report = append(series(stack), str(tmp_path / "o.zarr"))
    assert report.kept == 0
    assert "did not" in report.reason
    ia.run(series(stack), str(tmp_path / "fresh.zarr"))
    same_bits(tmp_path / "o.zarr", tmp_path / "fresh.zarr")


@pytest.mark.slow
def test_append_again_and_again(tmp_path):
    network, url = nearest(10, 3), str(tmp_path / "o.zarr")
    for last in (6, 7, 8, 9):
        stack = known(stack_of(network, block=None)).isel(pair=np.flatnonzero(network.secondary <= last))
        stack = chunked(stack.assign_coords(pair=np.arange(stack.sizes["pair"])))
        assert append(series(stack), url).new_dates == (last > 6)
    ia.run(series(stack), str(tmp_path / "fresh.zarr"))
    same_bits(url, tmp_path / "fresh.zarr")
    assert ia.run(series(stack), url).computed == 0  # to a plain run it is its own store


@pytest.mark.slow
def test_local_processes_carry_too(tmp_path):
    stack, old = longer()
    ia.run(series(old), str(tmp_path / "o.zarr"))
    assert append(series(stack), str(tmp_path / "o.zarr"), scheduler="local", workers=2).kept == 6
    ia.run(series(stack), str(tmp_path / "fresh.zarr"))
    same_bits(tmp_path / "o.zarr", tmp_path / "fresh.zarr")


def test_nothing_to_add_leaves_the_store_alone(tmp_path):
    stack, _ = longer()
    ia.run(series(stack), str(tmp_path / "o.zarr"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "o.zarr").rglob("*.json")}
    assert append(series(stack), str(tmp_path / "o.zarr")) == Appended(str(tmp_path / "o.zarr"), 12, 0, 12, 0, 0, None)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "o.zarr").rglob("*.json")} == before


def test_without_a_store_it_is_a_run(tmp_path):
    stack, _ = longer()
    assert append(series(stack), str(tmp_path / "deep" / "o.zarr")).computed == 12
    assert os.listdir(tmp_path / "deep") == ["o.zarr"]


def test_only_the_new_pairs_are_read_to_decide(tmp_path, monkeypatch):
    stack, _ = ia.simulate_stack(shape=(60, 50), n_dates=7, seed=3)
    from insarray.simulate.stacks import write_geotiffs

    stack.unwrapped_phase[:, 20, 20] = 0.5
    stack.coherence[:, 20, 20] = 0.9
    network = stack.insar.network
    new = np.flatnonzero(network.secondary == 6)
    stack.coherence[new, :, 25:] = 0.0  # what the mask leaves is west
    write_geotiffs(stack, tmp_path / "ifgs")
    aside = tmp_path / "aside"
    aside.mkdir()
    late = [path for label in np.array(network.labels)[new] for path in (tmp_path / "ifgs").glob(f"*{label}*")]
    for path in late:
        path.rename(aside / path.name)

    def opened():
        files = {"coherence": f"{tmp_path}/ifgs/*cor.tif", "wavelength": 0.0555, "block": 16}
        found = ia.open_stack(f"{tmp_path}/ifgs/*unw.tif", **files)
        return series(ia.mask(found, min_coherence=0.05), reference=(20, 20))

    ia.run(opened(), str(tmp_path / "o.zarr"))
    for path in aside.iterdir():
        path.rename(tmp_path / "ifgs" / path.name)
    whole, read, one = opened(), [], RasterLayer._read_one

    def counted(self, pair, *window):
        read.append(pair)
        return one(self, pair, *window)

    monkeypatch.setattr(RasterLayer, "_read_one", counted)
    change = find_change(whole, str(tmp_path / "o.zarr"))
    assert change.pairs == tuple(np.array(network.labels)[new])
    assert {block[1] for block in change.kept} == {2, 3}
    blocks, pairs = 16, network.n_pairs
    assert len(read) == 2 * (len(new) * blocks + pairs)  # of all blocks the new pairs, of one block all
    monkeypatch.undo()
    assert append(whole, str(tmp_path / "o.zarr")).kept == 8
    ia.run(opened(), str(tmp_path / "fresh.zarr"))
    same_bits(tmp_path / "o.zarr", tmp_path / "fresh.zarr")


# -- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"weights": "coherence"}, "weights was 'none' and is now 'coherence'"),
        ({"gap": "subset"}, "gap was"),
        ({"norm": "l1"}, "norm was"),
        ({"reference": (5, 6)}, "reference_col was '5' and is now '6'"),
        ({"reference": None}, "reference_row"),
    ],
)
def test_other_options_are_refused(tmp_path, options, word):
    stack, old = longer(missing=0.0, cols=slice(None))
    ia.run(series(old), str(tmp_path / "o.zarr"))
    with pytest.raises(StoreMismatchError, match=f"{word}.*--restart") as refused:
        append(series(stack, **options), str(tmp_path / "o.zarr"))
    assert refused.value.exit_code == 6
    assert os.listdir(tmp_path) == ["o.zarr"]


def test_other_blocks_grids_variables_versions_and_masks_are_refused(tmp_path, monkeypatch):
    stack, old = longer(missing=0.0)
    url = str(tmp_path / "o.zarr")
    ia.run(series(old), url)
    with pytest.raises(StoreMismatchError, match="block was '8 x 8' and is now '10 x 10'"):
        append(series(longer(missing=0.0, block=10)[0]), url)
    with pytest.raises(StoreMismatchError, match="the pixels were 20 x 30 and are now 20 x 24"):
        append(series(stack.isel(x=slice(0, 24))), url)
    with pytest.raises(StoreMismatchError, match=r"variables was .*velocity"):
        append(ia.invert(stack, reference=(5, 5)), url)
    good = xr.DataArray(np.ones((20, 30)), dims=("y", "x"))
    with pytest.raises(StoreMismatchError, match="mask_raster_checksum"):
        append(series(ia.mask(stack, mask=good)), url)
    monkeypatch.setattr(append_module, "program_identity", lambda: "9.9")
    with pytest.raises(StoreMismatchError, match=r"made by was .insarray .*. and is now .insarray 9\.9"):
        append(series(stack), url)


def test_another_mask_of_the_same_name_is_refused(tmp_path):
    stack, old = longer(missing=0.0)
    good = xr.DataArray(np.ones((20, 30)), dims=("y", "x"))
    ia.run(series(ia.mask(old, mask=good)), str(tmp_path / "o.zarr"))
    good = good.copy()
    good[15, 25] = 0
    with pytest.raises(StoreMismatchError, match="mask_raster_checksum"):
        append(series(ia.mask(stack, mask=good)), str(tmp_path / "o.zarr"))


def test_lost_pairs_are_refused_by_name(tmp_path):
    stack, old = longer()
    ia.run(series(stack), str(tmp_path / "o.zarr"))
    lost = stack.insar.network.labels[-1]
    with pytest.raises(StoreMismatchError, match=f"{lost}.* lack; give all pairs"):
        append(series(old), str(tmp_path / "o.zarr"))


def test_what_cannot_be_appended_to_is_refused(tmp_path, monkeypatch):
    stack, old = longer()
    with pytest.raises(StoreError, match="local disk"):
        append(series(stack), "memory://bucket/o.zarr")
    (tmp_path / "foreign.zarr").mkdir()
    with pytest.raises(StoreError, match="not an insarray store"):
        append(series(stack), str(tmp_path / "foreign.zarr"))
    with pytest.raises(ArgumentError, match=r"insarray\.invert"):
        append(ia.closure(stack), str(tmp_path / "o.zarr"))
    fail_at(monkeypatch, (1, 1), ValueError("boom"))
    with pytest.raises(PartialRunError):
        ia.run(series(old), str(tmp_path / "half.zarr"))
    with pytest.raises(StoreError, match="is not finished"):
        append(series(stack), str(tmp_path / "half.zarr"))


def test_what_was_made_of_a_series_is_refused(tmp_path):
    stack, old = longer(missing=0.0)
    ia.run(series(old), str(tmp_path / "o.zarr"))
    with pytest.raises(ArgumentError, match=r"insarray\.invert"):
        append(ia.rereference(series(stack), date="2020-01-13"), str(tmp_path / "o.zarr"))
    with pytest.raises(ArgumentError, match=r"insarray\.invert"):
        append(ia.fit(series(stack)), str(tmp_path / "o.zarr"))


# -- killed at any moment -------------------------------------------------------------------------------------------

SLOW_APPEND = """
import sys, time
from insarray.engine.run import workers
from tests.engine.test_append import append, longer, series
write = workers.write_block
def slow(*args):
    time.sleep(0.05)
    return write(*args)
workers.write_block = slow
append(series(longer()[0]), sys.argv[1], workers=1)
"""


def test_a_killed_append_goes_on_and_the_old_store_is_there_all_the_while(tmp_path):
    stack, old = longer()
    url = str(tmp_path / "o.zarr")
    ia.run(series(old), url)
    blocks = Path(new_beside(url), "_insarray/blocks")
    with subprocess.Popen([sys.executable, "-c", SLOW_APPEND, url]) as process:
        while process.poll() is None and len(list(blocks.glob("*.json"))) < 4:  # and no record that is being written
            time.sleep(0.01)
        assert open_store(url).sizes["time"] == 8
        with pytest.raises(StoreMismatchError, match="another run"):
            append(series(stack), url)
        with pytest.raises(StoreMismatchError, match="another run"):
            ia.run(series(old), url, resume=False)
        process.send_signal(signal.SIGKILL)
    assert ia.run(series(old), url).computed == 0  # whole, and of the same job
    done = Store(new_beside(url)).done()
    assert 4 <= len(done) < 12
    kept = find_change(series(stack), url).kept
    assert append(series(stack), url).computed == 12 - len(done | kept)
    ia.run(series(stack), str(tmp_path / "fresh.zarr"))
    same_bits(url, tmp_path / "fresh.zarr")
    assert sorted(path for path in os.listdir(tmp_path) if not path.endswith(".lock")) == ["fresh.zarr", "o.zarr"]


class Killed(BaseException):
    """The end of the process, as far as the files can tell."""


@pytest.mark.parametrize(
    "step",
    [
        "first rename",
        "second rename",
        *(pytest.param(step, marks=pytest.mark.slow) for step in ("deletion", "middle of the deletion")),
    ],
)
@pytest.mark.parametrize("after", ["append", pytest.param("run", marks=pytest.mark.slow)])
def test_a_swap_killed_at_any_step_is_finished_by_the_next_run(tmp_path, monkeypatch, step, after):
    stack, old = longer()
    url = str(tmp_path / "o.zarr")
    ia.run(series(old), url)
    rename, remove, renames = os.rename, swap_module.shutil.rmtree, []

    def killed_rename(source, target):
        if source == url or target == url:
            renames.append(source)
            if len(renames) == ("first rename", "second rename").index(step) + 1:
                raise Killed
        rename(source, target)

    def killed_deletion(path, **options):
        if options:  # not that of the swap
            return remove(path, **options)
        if step != "deletion":
            os.remove(os.path.join(path, "_insarray/job.json"))
        raise Killed

    if step.endswith("rename"):
        monkeypatch.setattr(swap_module, "exchanged", lambda *_: False)
        monkeypatch.setattr(swap_module.os, "rename", killed_rename)
    else:
        monkeypatch.setattr(swap_module.shutil, "rmtree", killed_deletion)
    with pytest.raises(Killed):
        append(series(stack), url)
    monkeypatch.setattr(swap_module.os, "rename", rename)
    monkeypatch.setattr(swap_module.shutil, "rmtree", remove)
    if after == "run" and step != "first rename":
        assert ia.run(series(stack), url).computed == 0
    else:
        assert append(series(stack), url).computed == 0  # all blocks were there
    ia.run(series(stack), str(tmp_path / "fresh.zarr"))
    same_bits(url, tmp_path / "fresh.zarr")
    assert sorted(os.listdir(tmp_path)) == ["fresh.zarr", "o.zarr"]


@pytest.mark.slow
def test_an_unfinished_append_of_other_pairs_is_started_over(tmp_path, monkeypatch):
    url, network = str(tmp_path / "o.zarr"), nearest(10, 3)
    _, old = longer(network, new=network.secondary >= 8)
    ia.run(series(old), url)
    nine = known(stack_of(network, block=None)).isel(pair=np.flatnonzero(network.secondary < 9))
    fail_at(monkeypatch, (1, 1), ValueError("boom"))
    with pytest.raises(PartialRunError):
        append(series(chunked(nine.assign_coords(pair=np.arange(nine.sizes["pair"])))), url)
    monkeypatch.undo()
    assert open_store(url).sizes["time"] == 8
    stack, _ = longer(network, new=network.secondary >= 8)
    assert append(series(stack), url).new_dates == 2
    ia.run(series(stack), str(tmp_path / "fresh.zarr"))
    same_bits(url, tmp_path / "fresh.zarr")


def test_networks_of_labels_are_what_is_compared():
    """A pair is the same pair by its dates, whatever its place in the stack."""
    a, b = Network.from_pairs(["20200101_20200113"]), Network.from_pairs(["20200101_20200113"], [12.0])
    assert a.labels == b.labels
