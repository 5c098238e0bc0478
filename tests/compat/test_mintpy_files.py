"""``insarray mintpy``: MintPy's steps on its files, against truth, its golden answers, and itself where it is installed.

Where MintPy is right the files are the same; deviations, each with its test: variance weights by a table (0.5 mm in a
patch of low coherence), pixels without the first date, dates lost later (test_golden_default).
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import h5py
import numpy as np
import pytest
from rasterio.warp import transform

import insarray as ia
from insarray.__main__ import cli
from insarray.cli.process import run_command
from insarray.compat.mintpy import settings, workflow
from insarray.model.errors import ArgumentError, FileError, StackWarning
from tests.compat.mintpy_project import REFERENCE, attributes, edit, read, write_project
from tests.io.stack_files import write_raster

OUTPUTS = ("timeseries.h5", "temporalCoherence.h5", "numInvIfgram.h5")
WRITTEN = {*OUTPUTS, "maskTempCoh.h5"}
THEIRS = ("--gap", "min_norm", "--nodata", "zero")
needs_mintpy = pytest.mark.skipif(
    importlib.util.find_spec("mintpy") is None, reason="MintPy is not installed: nothing to run beside"
)


@pytest.fixture
def insarray(capsys):
    def run(*arguments):
        """(exit code, output, error lines) of a command of the group in this process."""
        assert "mintpy" in cli.commands
        code = run_command(["mintpy", *(str(argument) for argument in arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose folder is the working directory."""
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


def done(result):
    code, output, errors = result
    assert (code, errors) == (0, [])
    return output


def refused(result, message):
    code, output, errors = result
    assert (code, output, len(errors)) == (2, "", 1), errors
    assert message in errors[0]
    return errors[0]


def names(folder):
    return {path.name for path in folder.iterdir()}


# -- inversion: truth and options ----------------------------------------------------------------------------------


def test_invert_writes_what_mintpy_writes(insarray, project, tmp_path):
    output = done(insarray("invert", project.stack))
    assert output.startswith("timeseries.h5, temporalCoherence.h5, maskTempCoh.h5, numInvIfgram.h5: written")
    assert names(tmp_path) == {"inputs", *WRITTEN}  # the work store has gone
    found = read(tmp_path / "timeseries.h5")
    row, col = REFERENCE
    truth = project.truth.displacement - project.truth.displacement[:, row, col]
    land = project.truth.water_mask.values
    error = (found["timeseries"] - truth.values)[1:, land]
    assert np.median(np.abs(error)) < 0.004
    assert np.isnan(found["timeseries"][:, ~land]).all()
    assert (found["timeseries"][:, row, col] == 0).all()
    np.testing.assert_allclose(found["bperp"], project.truth.perpendicular_baseline, atol=1e-3)
    attrs = attributes(tmp_path / "timeseries.h5")
    assert (attrs["HEADING"], attrs["beam_mode"], attrs["PROCESSOR"]) == ("-168.0", "IW", "isce")
    assert (attrs["REF_Y"], attrs["REF_X"], attrs["FILE_TYPE"]) == (str(row), str(col), "timeseries")
    assert attrs["mintpy.networkInversion.weightFunc"] == "var"
    assert attrs["mintpy.networkInversion.numIfgram"] == str(len(read(project.stack)["date"]))


def test_a_phase_of_zero_is_missing_whatever_its_component(insarray, project, tmp_path):
    """As in ifgram_inversion.py; the reference pixel of a stack that is referenced already is zero and observed."""
    row, col = REFERENCE
    before = inverted(insarray, project, "-w", "no")
    pixel = row + 2, col
    phase = read(project.stack)["unwrapPhase"]
    phase -= np.where(phase == 0, 0, phase[:, row, col][:, None, None])
    phase[2, pixel[0], pixel[1]] = 0
    edit(project.stack, unwrapPhase=phase)
    found = inverted(insarray, project, "-w", "no")
    assert found["numInvIfgram.h5"]["mask"][pixel] == before["numInvIfgram.h5"]["mask"][pixel] - 1
    assert found["numInvIfgram.h5"]["mask"][row, col] == len(phase)
    assert (found["timeseries.h5"]["timeseries"][:, row, col] == 0).all()
    others = np.ones(phase.shape[1:], bool)
    others[pixel] = False
    both = (part["timeseries.h5"]["timeseries"][:, others] for part in (found, before))
    np.testing.assert_allclose(*both, atol=1e-6)


@pytest.mark.parametrize("stated", [True, False])
def test_a_stack_that_is_referenced_already_keeps_its_pixel(insarray, project, tmp_path, stated):
    if not stated:
        with h5py.File(project.stack, "a") as file:
            del file.attrs["REF_Y"], file.attrs["REF_X"]
    done(insarray("invert", project.stack, "--skip-reference"))
    attrs = attributes(tmp_path / "timeseries.h5")
    expected = tuple(map(str, REFERENCE)) if stated else (None, None)
    assert (attrs.get("REF_Y"), attrs.get("REF_X")) == expected


def inverted(insarray, project, *options):
    done(insarray("invert", project.stack, "--overwrite", *options))
    return {name: read(project.stack.parents[1] / name) for name in OUTPUTS}


def library(project, weights="variance", **options):
    stack = ia.open_stack(project.stack)
    return ia.invert(stack, weights=weights, reference=REFERENCE, **options).displacement.values


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("-w", "var"), {}),
        (("--weight-func", "fim"), {"weights": "fisher"}),
        (("-w", "coh"), {"weights": "coherence"}),
        (("-w", "no"), {"weights": "none"}),
        (("--norm", "l1"), {"norm": "l1"}),
        (("--norm", "huber"), {"norm": "huber"}),
    ],
)
def test_weights_and_norms_are_those_of_the_library(insarray, project, words, options):
    found = inverted(insarray, project, *words)["timeseries.h5"]["timeseries"]
    np.testing.assert_array_equal(found, library(project, **options))
    if options:
        assert not np.array_equal(found, library(project), equal_nan=True)


def test_another_phase(insarray, project):
    with h5py.File(project.stack, "a") as file:
        file["unwrapPhase_bridging"] = file["unwrapPhase"][:] * 2
    plain = inverted(insarray, project)["timeseries.h5"]["timeseries"]
    for option in ("-i", "-d", "--dset"):
        found = inverted(insarray, project, option, "unwrapPhase_bridging")["timeseries.h5"]["timeseries"]
        np.testing.assert_allclose(found, 2 * plain, rtol=1e-4, atol=1e-6)
    refused(insarray("invert", project.stack, "--overwrite", "-i", "unwrapPhase_x"), "has no dataset 'unwrapPhase_x'")
    refused(insarray("invert", project.stack, "--overwrite", "-i", "rangeOffset"), "is not unwrapped phase")


def test_masks(insarray, project, tmp_path):
    data = read(project.stack)
    land = data["unwrapPhase"] != 0
    land[:, REFERENCE[0], REFERENCE[1]] = True
    limit = float(np.quantile(data["coherence"][land], 0.05))
    assert data["coherence"][:, REFERENCE[0], REFERENCE[1]].min() > limit
    for words in (("--md", "coherence", "--mt", limit), ("--mask-dset", "coherence", "--mask-thres", limit)):
        found = inverted(insarray, project, *words)["numInvIfgram.h5"]["mask"]
        np.testing.assert_array_equal(found, (land & (data["coherence"] >= np.float32(limit))).sum(axis=0))
    labels = data["connectComponent"].copy()
    labels[3, 4:9, 2:5] = 0
    edit(project.stack, connectComponent=labels)
    with h5py.File(project.stack, "a") as file:
        file["coherence"][...] = np.maximum(file["coherence"], 0.1)
    found = inverted(insarray, project, "--md", "connectComponent")["numInvIfgram.h5"]["mask"]
    np.testing.assert_array_equal(found, (land & (labels != 0)).sum(axis=0))
    water = np.ones(land.shape[1:], bool)
    water[:, 20:] = False
    with h5py.File(tmp_path / "water.h5", "w") as file:
        file["waterMask"] = water
    found = inverted(insarray, project, "-m", tmp_path / "water.h5")["numInvIfgram.h5"]["mask"]
    assert (found[:, 20:] == 0).all()
    assert (found[:, :20] == land.sum(axis=0)[:, :20]).all()


def test_a_mask_that_is_a_raster(insarray, project, tmp_path):
    water = np.ones((30, 34), np.uint8)
    water[:, 20:] = 0
    write_raster(tmp_path / "water.tif", water, crs=None)
    found = inverted(insarray, project, "-m", tmp_path / "water.tif")["numInvIfgram.h5"]["mask"]
    assert (found[:, 20:] == 0).all()
    assert found[:, :20].any()


def test_a_mask_that_is_none(insarray, project, tmp_path):
    refused(insarray("invert", project.stack, "-m", tmp_path / "no.h5"), "no.h5: does not exist")
    with h5py.File(tmp_path / "water.h5", "w") as file:
        file["other"] = 1
    refused(insarray("invert", project.stack, "-m", tmp_path / "water.h5"), "has neither waterMask nor mask")
    with h5py.File(tmp_path / "small.h5", "w") as file:
        file["mask"] = np.ones((3, 3), bool)
    refused(insarray("invert", project.stack, "-m", tmp_path / "small.h5"), "(3, 3) pixels, expected (30, 34)")
    assert names(tmp_path) == {"inputs", "water.h5", "small.h5"}


@pytest.fixture
def torn(project):
    """Pixels that lose: (2, 2) the first date, (2, 3) a later one, (2, 4) the ties over a cut, (2, 5) all but one pair
    of the second date."""
    with h5py.File(project.stack, "a") as file:
        phase = file["unwrapPhase"][:]
        k = np.searchsorted(np.unique(file["date"][:]), file["date"][:])
        phase[(k == 0).any(axis=1), 2, 2] = np.nan
        phase[(k == 4).any(axis=1), 2, 3] = np.nan
        phase[(k[:, 0] < 4) & (k[:, 1] >= 4), 2, 4] = np.nan
        phase[np.flatnonzero((k == 1).any(axis=1))[1:], 2, 5] = np.nan
        file["unwrapPhase"][...] = phase
    return project


def missing(found, col):
    return np.flatnonzero(np.isnan(found["timeseries.h5"]["timeseries"][:, 2, col])).tolist()


def test_gaps_are_left_out(insarray, torn):
    found = inverted(insarray, torn, "-w", "no")
    assert missing(found, 2) == [*range(8)]
    assert missing(found, 3) == [4]
    assert missing(found, 4) == [4, 5, 6, 7]
    assert missing(found, 5) == []


@pytest.mark.parametrize("gap", ["subset", "nsbas"])
def test_other_gaps_are_those_of_the_library(insarray, torn, gap):
    found = inverted(insarray, torn, "-w", "no", "--gap", gap)["timeseries.h5"]["timeseries"]
    np.testing.assert_array_equal(found, library(torn, weights="none", gap=gap))
    assert np.isfinite(found[4:, 2, 4]).all()
    assert attributes(torn.stack.parents[1] / "timeseries.h5")["insarray.gap"] == gap


def test_redundancy(insarray, torn):
    for option in ("--min-redun", "--mr"):
        found = inverted(insarray, torn, "-w", "no", option, 2)
        assert missing(found, 5) == [1]
        assert missing(found, 2) == [*range(8)]
        assert missing(found, 3) == [4]
    theirs = inverted(insarray, torn, "-w", "no", "--mr", 2, "--gap", "min_norm")
    assert missing(theirs, 3) == missing(theirs, 5) == [*range(8)]
    assert missing(theirs, 2) == missing(theirs, 4) == []
    assert theirs["numInvIfgram.h5"]["mask"][2, 5] == 0
    assert np.isnan(theirs["temporalCoherence.h5"]["temporalCoherence"][2, 3])


def test_minimum_norms(insarray, torn):
    """Least velocity: nothing moves over the cut. Least phase: the second piece has mean zero."""
    of_velocity = inverted(insarray, torn, "-w", "no", *THEIRS)["timeseries.h5"]["timeseries"]
    of_phase = inverted(insarray, torn, "-w", "no", *THEIRS, "--min-norm-phase")["timeseries.h5"]["timeseries"]
    assert of_velocity[4, 2, 4] == pytest.approx(of_velocity[3, 2, 4], abs=1e-6)
    assert of_phase[4:, 2, 4].mean() == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(np.diff(of_phase[4:, 2, 4]), np.diff(of_velocity[4:, 2, 4]), atol=1e-6)
    np.testing.assert_allclose(of_phase[:, 6], of_velocity[:, 6], atol=1e-7)


def test_dropped_pairs(insarray, project):
    keep = np.ones(len(read(project.stack)["date"]), bool)
    keep[3] = False
    edit(project.stack, dropIfgram=keep)
    found = inverted(insarray, project)
    assert found["numInvIfgram.h5"]["mask"].max() == keep.sum()


def test_nodata(insarray, project):
    water = ~project.truth.water_mask.values
    found = inverted(insarray, project, "--nodata", "zero")
    assert (found["timeseries.h5"]["timeseries"][:, water] == 0).all()
    assert (found["temporalCoherence.h5"]["temporalCoherence"][water] == 0).all()


def test_outputs_have_the_names_given(insarray, project, tmp_path):
    (tmp_path / "out").mkdir()
    given = ["out/ts.h5", "out/tc.h5", "num.h5"]
    output = done(insarray("invert", project.stack, "-o", *given, "--json", "--workers", 1))
    report = json.loads(output)
    assert report["files"] == [*given[:2], "out/maskTempCoh_tc.h5", given[2]]
    assert (report["reference_row"], report["reference_col"]) == REFERENCE
    assert report["computed"] == report["blocks"]
    assert names(tmp_path) == {"inputs", "out", "num.h5"}
    assert names(tmp_path / "out") == {"ts.h5", "tc.h5", "maskTempCoh_tc.h5"}


# -- inversion: refusals and resumption ----------------------------------------------------------------------------


def test_a_stack_without_reference(insarray, project):
    edit(project.stack, REF_Y=None)
    refused(insarray("invert", project.stack), "run reference_point.py on it, or give --skip-reference")
    for option in ("--skip-reference", "--skip-ref"):
        found = inverted(insarray, project, option, "-w", "no")["timeseries.h5"]["timeseries"]
        stack = ia.open_stack(project.stack)
        np.testing.assert_array_equal(found, ia.invert(stack, reference=None).displacement)
    assert "REF_Y" not in attributes(project.stack.parents[1] / "timeseries.h5")


def test_a_reference_without_data_names_the_pairs(insarray, project, tmp_path):
    with h5py.File(project.stack, "a") as file:
        for k, value in ((1, np.nan), (4, 0)):
            file["unwrapPhase"][(k, *REFERENCE)] = value
            file["coherence"][(k, *REFERENCE)] = 0
        pairs = [b"_".join(pair).decode() for pair in file["date"][[1, 4]]]
    line = refused(insarray("invert", project.stack), f"no data in 2 of {len(read(project.stack)['date'])} pairs")
    assert all(pair in line for pair in pairs)
    assert names(tmp_path) == {"inputs"}


def test_other_refusals(insarray, project, tmp_path):
    stack = read(project.stack)
    edit(project.stack, WAVELENGTH=None)
    refused(insarray("invert", project.stack), "wavelength: the files do not say")
    edit(project.stack, WAVELENGTH="0.0555", NCORRLOOKS=None, ALOOKS=None)
    refused(insarray("invert", project.stack), "looks")
    edit(project.stack, coherence=None)
    refused(insarray("invert", project.stack, "-w", "coh"), "needs coherence")
    refused(insarray("invert", project.stack, "-w", "no", "--md", "coherence"), "the stack has no coherence")
    cut = tmp_path / "inputs" / "cut.h5"
    cut.write_bytes(project.stack.read_bytes()[:5000])
    refused(insarray("invert", cut), "cut.h5: could not read it as HDF5")
    refused(insarray("invert", tmp_path / "nothing.h5"), "does not exist")
    assert stack
    assert names(tmp_path) == {"inputs"}


def test_existing_outputs_are_kept(insarray, project, tmp_path):
    (tmp_path / "numInvIfgram.h5").write_text("mine")
    refused(insarray("invert", project.stack), "numInvIfgram.h5: exists")
    assert names(tmp_path) == {"inputs", "numInvIfgram.h5"}
    done(insarray("invert", project.stack, "--overwrite"))
    assert names(tmp_path) == {"inputs", *WRITTEN}


def test_a_folder_that_cannot_be_written(insarray, project, tmp_path):
    (tmp_path / "file").write_text("")
    outputs = [f"file/{name}" for name in OUTPUTS]
    refused(insarray("invert", project.stack, "-o", *outputs), "file")
    assert names(tmp_path) == {"inputs", "file"}


def test_an_interrupted_run_goes_on(insarray, project, tmp_path, monkeypatch):
    """What was computed is not computed again, unless the options differ."""

    def full(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(workflow, "write_mintpy", full)
        code, _, errors = insarray("invert", project.stack)
        assert code == 130
        assert "run the same command again" in errors[-1]
    assert names(tmp_path) == {"inputs", ".timeseries.h5.insarray"}
    report = json.loads(done(insarray("invert", project.stack, "--json")))
    assert report["computed"] == 0
    assert names(tmp_path) == {"inputs", *WRITTEN}
    with monkeypatch.context() as patched:
        patched.setattr(workflow, "write_mintpy", full)
        insarray("invert", project.stack, "--overwrite")
    report = json.loads(done(insarray("invert", project.stack, "--json", "--overwrite", "-w", "no")))
    assert report["computed"] == report["blocks"]
    np.testing.assert_array_equal(read(tmp_path / OUTPUTS[0])["timeseries"], library(project, weights="none"))
    assert names(tmp_path) == {"inputs", *WRITTEN}


# -- templates -----------------------------------------------------------------------------------------------------


def template(tmp_path, *lines, name="custom.txt"):
    path = tmp_path / name
    path.write_text("\n".join(lines))
    return path


def resolved(tmp_path, *lines, **given):
    return settings.inversion({"templates": [template(tmp_path, *lines)], **given})


KEY = "mintpy.networkInversion"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (f"{KEY}.weightFunc = fim  # comment", "weights", "fim"),
        (f"{KEY}.weightFunc = no", "weights", "no"),
        (f"{KEY}.weightFunc = auto", "weights", "var"),
        (f"{KEY}.maskDataset=connectComponent", "mask_dataset", "connectComponent"),
        (f"{KEY}.maskThreshold = 0.6", "mask_threshold", 0.6),
        (f"  {KEY}.minRedundancy   =  2 ", "min_redundancy", 2.0),
        (f"{KEY}.minNormVelocity = no", "min_norm_phase", True),
        (f"{KEY}.minNormVelocity = yes", "min_norm_phase", False),
        (f"{KEY}.obsDatasetName = unwrapPhase_bridging", "variable", "unwrapPhase_bridging"),
        ("mintpy.unwrapError.method = bridging + phase_closure", "variable", "unwrapPhase_bridging_phaseClosure"),
        ("mintpy.unwrapError.method = no", "variable", "unwrapPhase"),
        (f"{KEY}.minTempCoh = 0.8", "min_temporal_coherence", 0.8),
        (f"{KEY}.minTempCoh = auto", "min_temporal_coherence", 0.7),
        (f"{KEY}.minNumPixel = 10", "weights", "var"),
        ("mintpy.deramp = linear", "weights", "var"),
        (f"# {KEY}.weightFunc = coh", "weights", "var"),
        ("no equals sign here", "weights", "var"),
    ],
)
def test_template(tmp_path, line, name, value):
    assert resolved(tmp_path, line)[name] == value


def test_the_command_line_and_the_last_template_count(tmp_path):
    first = template(tmp_path, f"{KEY}.weightFunc = fim", f"{KEY}.maskThreshold = 0.7")
    second = template(tmp_path, f"{KEY}.weightFunc = coh", name="other.cfg")
    assert settings.inversion({"templates": [first, second]})["weights"] == "coh"
    assert settings.inversion({"templates": [second, first]})["weights"] == "fim"
    found = settings.inversion({"templates": [first], "weights": "no", "mask_threshold": None})
    assert (found["weights"], found["mask_threshold"]) == ("no", 0.7)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{KEY}.weightFunc = variance", "it is one of var, fim, coh, no"),
        (f"{KEY}.maskDataset = offsetSNR", "it is one of coherence, connectComponent, no"),
        (f"{KEY}.maskThreshold = high", "it is a number, at least 0"),
        (f"{KEY}.minNormVelocity = maybe", "it is yes or no"),
        (f"{KEY}.residualNorm = L1", "it is one of L2"),
        (f"{KEY}.calcCov = yes", "is not known here"),
        ("mintpy.unwrapError.method = magic", "it is one of bridging"),
    ],
)
def test_a_template_that_cannot_be_honoured(tmp_path, line, message):
    with pytest.raises(ArgumentError, match=message) as error:
        resolved(tmp_path, line)
    assert "custom.txt" in str(error.value)
    assert line.split(" =")[0] in str(error.value)


def test_a_template_that_is_none(tmp_path):
    with pytest.raises(FileError, match=r"absent\.cfg: cannot be read"):
        settings.inversion({"templates": [tmp_path / "absent.cfg"]})


def test_the_water_mask_of_a_template(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = f"{KEY}.waterMaskFile = auto"
    assert resolved(tmp_path, line)["water_mask"] is None
    (tmp_path / "waterMask.h5").write_text("")
    assert resolved(tmp_path, line)["water_mask"] == "waterMask.h5"
    assert resolved(tmp_path, f"{KEY}.waterMaskFile = no")["water_mask"] is None
    monkeypatch.setenv("MASKS", str(tmp_path))
    assert resolved(tmp_path, f"{KEY}.waterMaskFile = $MASKS/waterMask.h5")["water_mask"] == str(
        tmp_path / "waterMask.h5"
    )
    with pytest.raises(FileError, match=r"waterMaskFile = 'w\.h5' does not exist"):
        resolved(tmp_path, f"{KEY}.waterMaskFile = w.h5")


def test_a_template_reaches_the_inversion(insarray, project, tmp_path):
    path = template(tmp_path, f"{KEY}.weightFunc = coh")
    found = inverted(insarray, project, "-t", path)["timeseries.h5"]["timeseries"]
    np.testing.assert_array_equal(found, library(project, weights="coherence"))


# -- velocity ------------------------------------------------------------------------------------------------------


@pytest.fixture
def series(insarray, project, tmp_path):
    done(insarray("invert", project.stack))
    return tmp_path / "timeseries.h5"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), {}),
        (("--poly", 2), {"degree": 2}),
        (("--periodic", "1.0", "0.5", "--poly-order", 0), {"periods": (1.0, 0.5), "degree": 0}),
        (("--step", "20190318", "20190405"), {"steps": ("20190318", "20190405")}),
        (("--polyline", "20190318"), {"velocity_changes": ("20190318",)}),
        (
            ("--exp", "20190301", 60, "--log", "20190301", 30, "--log", "20190318", 90),
            {"exponentials": (("20190301", 60.0),), "logarithms": (("20190301", 30.0), ("20190318", 90.0))},
        ),
        (("--uq", "bootstrap", "--bc", 20), {"uncertainty": "bootstrap", "samples": 20}),
    ],
)
def test_velocity(insarray, series, tmp_path, words, options):
    done(insarray("velocity", series, *words, "-o", "v.h5"))
    expected = ia.to_mintpy(ia.fit(ia.open_series(series), **options), tmp_path / "expected")[0]
    found, wanted = read(tmp_path / "v.h5"), read(expected)
    assert set(found) == set(wanted)
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name], err_msg=name)
    plain = read(ia.to_mintpy(ia.fit(ia.open_series(series)), tmp_path / "plain")[0])
    assert not words or set(plain) != set(found) or not np.array_equal(plain["velocityStd"], found["velocityStd"])
    assert attributes(tmp_path / "v.h5")["HEADING"] == "-168.0"


def test_dates_of_the_velocity(insarray, series, tmp_path):
    dates = [date.decode() for date in read(series)["date"]]
    (tmp_path / "2020.txt").write_text(f"{dates[3]}  # snow\n\n")
    words = ["-s", dates[1], "--end-date", dates[6], "--ex", dates[2], "2020.txt"]
    done(insarray("velocity", series, *words))
    expected = ia.fit(ia.open_series(series).isel(time=[1, 4, 5, 6]))
    np.testing.assert_array_equal(read(tmp_path / "velocity.h5")["velocity"], expected.velocity)
    assert attributes(tmp_path / "velocity.h5")["DATE12"] == f"{dates[1]}_{dates[6]}"
    refused(insarray("velocity", series), "velocity.h5: exists")
    refused(insarray("velocity", series, "--overwrite", "--ex", "absent.txt"), "neither a date nor a readable list")
    refused(insarray("velocity", series, "--overwrite", "--exp", dates[1]), "--exp")
    refused(insarray("velocity", series, "--overwrite", "--periodic", "year"), "is not one number")


@pytest.mark.parametrize("command", ["velocity", "dem-error"])
def test_dates_that_the_series_does_not_have_are_passed_over(insarray, series, project, tmp_path, command):
    """One exclude_date.txt serves several stacks, as in MintPy."""
    dates = [date.decode() for date in read(series)["date"]]
    words, name = (("-g", project.geometry), "demErr.h5") if command == "dem-error" else ((), "velocity.h5")
    with pytest.warns(StackWarning, match="20010101, 20991231: not among the dates"):
        assert insarray(command, series, *words, "--ex", "20010101", dates[2], "20991231")[0] == 0
    found = read(tmp_path / name)
    done(insarray(command, series, *words, "--overwrite", "--ex", dates[2]))
    for layer, values in read(tmp_path / name).items():
        np.testing.assert_array_equal(found[layer], values)
    refused(insarray(command, series, *words, "--overwrite", "--ex", "2019"), "2019")


def test_the_steps_are_noted_as_mintpy_notes_them(insarray, series, project, tmp_path):
    """Lists of keys: `config_keys` of MintPy 1.6.4's timeseries2velocity.py and dem_error.py; texts: str() of its options."""
    dates = [date.decode() for date in read(series)["date"]]
    words = ("--periodic", 1, "--step", dates[3], "--exp", dates[3], 60, "--poly", 1, "-s", dates[0])
    done(insarray("velocity", series, *words))
    prefix = "mintpy.timeFunc."
    found = {k.removeprefix(prefix): v for k, v in attributes(tmp_path / "velocity.h5").items() if k.startswith(prefix)}
    assert found == {
        "startDate": dates[0], "endDate": "None", "excludeDate": "[]", "polynomial": "1", "periodic": "[1.0]",
        "stepDate": f"['{dates[3]}']", "exp": f"[['{dates[3]}', '60']]", "log": "[]",
        "uncertaintyQuantification": "residue", "timeSeriesCovFile": "None", "bootstrapCount": "400",
    }  # fmt: skip
    done(insarray("dem-error", series, "-g", project.geometry, "--ex", dates[1]))
    prefix = "mintpy.topographicResidual."
    attrs = attributes(tmp_path / "timeseries_demErr.h5")
    assert {k.removeprefix(prefix): v for k, v in attrs.items() if k.startswith(prefix)} == {
        "polyOrder": "2", "phaseVelocity": "False", "stepDate": "[]", "excludeDate": f"['{dates[1]}']",
    }  # fmt: skip


def test_template_of_the_velocity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    key = "mintpy.timeFunc"
    lines = (
        "startDate = 20200101", "endDate = no", "excludeDate = 20200203,20200215", "polynomial = 2", "periodic = 1,0.5",
        "stepDate = 20200301,20200401T1200", "exp = 20110311,60,120;20170908,120", "log = no",
        "uncertaintyQuantification = covariance", "timeSeriesCovFile = c.h5", "bootstrapCount = 30",
    )  # fmt: skip
    found = settings.time_functions({"templates": [template(tmp_path, *(f"{key}.{line}" for line in lines))]})
    assert found == {
        "degree": 2, "periods": (1.0, 0.5), "steps": ("20200301", "20200401T1200"), "polylines": (),
        "exponentials": (("20110311", "60", "120"), ("20170908", "120")), "logarithms": (), "start": "20200101",
        "end": None, "exclude": ("20200203", "20200215"), "uncertainty": "covariance", "covariance": "c.h5",
        "samples": 30,
    }  # fmt: skip
    (tmp_path / "exclude_date.txt").write_text("20200301\n")
    found = settings.time_functions({"templates": [template(tmp_path, f"{key}.excludeDate = auto")]})
    assert found["exclude"] == ("20200301",)
    for line in (
        "polynomial = 7",
        "uncertaintyQuantification = guess",
        "periodic = a",
    ):
        with pytest.raises(ArgumentError, match=line.split(" =")[0]):
            settings.time_functions({"templates": [template(tmp_path, f"{key}.{line}")]})


# -- height error --------------------------------------------------------------------------------------------------


def test_dem_error_finds_the_truth(insarray, series, project, tmp_path):
    raw, truth = read(series), project.truth
    row, col = REFERENCE
    clean = (truth.displacement - truth.atmosphere - truth.deformation).values
    clean -= clean[:, row, col][:, None, None]
    with h5py.File(series, "a") as file:
        file["timeseries"][...] = np.where(np.isnan(raw["timeseries"]), np.nan, clean)
    done(insarray("dem-error", series, "-g", project.geometry, "--poly-order", 3))
    found = read(tmp_path / "demErr.h5")["dem"]
    geometry = read(project.geometry)
    factor = 1 / (geometry["slantRangeDistance"] * np.sin(np.deg2rad(geometry["incidenceAngle"])))
    height = truth.height_error.values
    wanted = height - height[row, col] * factor[row, col] / factor
    land = np.isfinite(found)
    assert land.sum() > 500
    np.testing.assert_allclose(found[land], wanted[land], atol=2e-3)
    moved = raw["bperp"][:, None, None] * factor * found
    corrected = read(tmp_path / "timeseries_demErr.h5")["timeseries"]
    np.testing.assert_allclose(corrected[:, land], (clean - moved)[:, land], atol=1e-6)
    residual = read(tmp_path / "timeseriesResidual.h5")["timeseries"]
    assert np.abs(residual[:, land]).max() < 1e-6
    assert names(tmp_path) >= {"demErr.h5", "timeseries_demErr.h5", "timeseriesResidual.h5"}


def test_dem_error_options(insarray, series, project, tmp_path):
    dates = [date.decode() for date in read(series)["date"]]
    plain = ia.open_series(series)
    geometry = ia.open_geometry(project.geometry, plain)
    how = {"slant_range": geometry.slant_range, "incidence_angle": geometry.incidence_angle, "height_error": True}
    base = ["dem-error", series, "-g", project.geometry, "--overwrite"]
    done(insarray(*base, "-p", 1, "-s", dates[3], "-o", "c.h5", "--dem-err-file", "d.h5"))
    expected = ia.fit(plain, degree=1, steps=(dates[3],), **how)
    np.testing.assert_allclose(read(tmp_path / "d.h5")["dem"], expected.height_error, rtol=1e-4, atol=1e-4)
    done(insarray(*base, "--periodic", 1))
    expected = ia.fit(plain, degree=2, periods=(1.0,), **how)
    np.testing.assert_allclose(read(tmp_path / "demErr.h5")["dem"], expected.height_error, rtol=1e-3, atol=1e-3)
    # without the first date: all dates are corrected, and the residual of those that were fitted is that of the fit
    done(insarray(*base, "--ex", dates[0]))
    expected = ia.fit(plain.isel(time=slice(1, None)), degree=2, residuals=True, **how)
    np.testing.assert_allclose(read(tmp_path / "demErr.h5")["dem"], expected.height_error, rtol=1e-3, atol=1e-3)
    found = read(tmp_path / "timeseriesResidual.h5")["timeseries"]
    assert len(found) == len(dates)
    np.testing.assert_allclose(found[1:], expected.fit_residual, atol=1e-5)
    assert len(read(tmp_path / "timeseries_demErr.h5")["timeseries"]) == len(dates)
    edit(series, bperp=None)
    refused(insarray(*base), "has no bperp")


def test_template_of_the_height_error(tmp_path):
    key = "mintpy.topographicResidual"
    lines = (
        "polyOrder = 1",
        "stepDate = 20200301",
        "phaseVelocity = yes",
        "pixelwiseGeometry = no",
        "excludeDate = no",
    )
    path = template(tmp_path, f"{key} = yes", *(f"{key}.{line}" for line in lines))
    found = settings.height_error({"templates": [path]})
    assert found == {"degree": 1, "periods": (), "steps": ("20200301",), "exclude": (), "phase_velocity": True}
    for line in ("phaseVelocity = perhaps", "polyOrder = 9"):
        with pytest.raises(ArgumentError, match=line.split(" =")[0]):
            settings.height_error({"templates": [template(tmp_path, f"{key}.{line}")]})


# -- stores and other commands -------------------------------------------------------------------------------------


def test_export(insarray, project, tmp_path):
    stack = ia.open_stack(project.stack)
    series = ia.invert(stack, reference=REFERENCE)
    ia.run(series, str(tmp_path / "s.zarr"))
    done(insarray("export", tmp_path / "s.zarr", "out", "--attrs", project.stack, "--nodata", "zero"))
    assert names(tmp_path / "out") == set(OUTPUTS)
    assert attributes(tmp_path / "out" / "timeseries.h5")["HEADING"] == "-168.0"
    refused(insarray("export", tmp_path / "s.zarr", "out"), "exists")
    done(insarray("export", tmp_path / "s.zarr", "out", "--overwrite"))
    found = read(tmp_path / "out" / "timeseries.h5")["timeseries"]
    np.testing.assert_array_equal(found, series.displacement)
    refused(insarray("export", tmp_path / "inputs", "other"), "is not an insarray store")


def test_the_other_commands_take_a_series_of_mintpy(series, tmp_path, capsys):
    """Those that take a stored series; a stack of MintPy is still a stack."""
    for words in (
        ("fit", series, "model.zarr", "--periods", 1),
        ("export", series, "displacement.tif"),
        ("deramp", series, "flat.zarr"),
        ("average", series, "mean.zarr"),
        ("fit", tmp_path / "inputs", "pairs.zarr"),
    ):
        assert run_command([str(word) for word in words]) == 0, capsys.readouterr().err
    opened = ia.open_series(series)
    import xarray as xr

    model = ia.fit(opened, periods=(1.0,))
    np.testing.assert_array_equal(xr.open_zarr(tmp_path / "model.zarr").velocity, model.velocity)


def test_the_commands_of_the_page_work(insarray, project, tmp_path):
    """The example of coming_from_mintpy.md, in a project folder."""
    page = Path(__file__).parents[2] / "docs/how_to/coming_from_mintpy.md"
    template(tmp_path, f"{KEY}.weightFunc = auto", name="smallbaselineApp.cfg")
    lines = [line for line in page.read_text().splitlines() if line.startswith("insarray mintpy ")]
    assert len(lines) == 3
    for line in lines:
        done(insarray(*line.split()[2:]))
    series = {"timeseries.h5", "timeseries_demErr.h5", "timeseriesResidual.h5"}
    written = series | WRITTEN | {"velocity.h5", "demErr.h5"}
    assert names(tmp_path) == written | {"inputs", "smallbaselineApp.cfg"}
    assert "annualAmplitude" in read(tmp_path / "velocity.h5")


# -- beside MintPy -------------------------------------------------------------------------------------------------

CASES = {
    "no": ("-w", "no"),
    "var": ("-w", "var"),
    "fim": ("-w", "fim"),
    "coh": ("-w", "coh"),
    "no_minNormPhase_ccmask": ("-w", "no", "--min-norm-phase", "--md", "connectComponent"),
    "no_minNormVel_ccmask": ("-w", "no", "--md", "connectComponent"),
    "var_cohmask04": ("-w", "var", "--md", "coherence", "--mt", "0.4"),
    "no_cohmask04_redun2": ("-w", "no", "--md", "coherence", "--mt", "0.4", "--mr", "2"),
}


def golden_case(insarray, golden, tmp_path, case, *options):
    outputs = [tmp_path / name for name in OUTPUTS]
    words = [golden / "mintpy_stack/inputs/ifgramStack.h5", *CASES[case], *options, "-o", *outputs]
    done(insarray("invert", *words))
    ours, theirs = {}, {}
    for path in outputs:
        ours |= read(path)
        other = golden / "mintpy_stack/out" / case / path.name
        theirs |= read(other) if other.exists() else {}
    return ours, theirs


@pytest.mark.parametrize("case", CASES)
def test_golden_inversion(insarray, golden, tmp_path, case):
    """Every pixel of MintPy's files, those it discards or invents included; `var` to the errors of its table."""
    ours, theirs = golden_case(insarray, golden, tmp_path, case, *THEIRS)
    exact = "var" not in case
    np.testing.assert_array_equal(ours["mask"], theirs["mask"])
    quality = "temporalCoherence"
    np.testing.assert_allclose(ours[quality], theirs[quality], atol=2e-6 if exact else 0.015)
    if "timeseries" in theirs:
        np.testing.assert_array_equal(ours["date"], theirs["date"])
        np.testing.assert_array_equal(ours["bperp"], theirs["bperp"])
        np.testing.assert_allclose(ours["timeseries"], theirs["timeseries"], atol=2e-7 if exact else 6e-4)


def test_golden_default(insarray, golden, tmp_path):
    """By default: 18 of 20 dates where MintPy has none, nothing where it invents a constant, else the same."""
    ours, theirs = golden_case(insarray, golden, tmp_path, "no")
    found, wanted = ours["timeseries"], theirs["timeseries"]
    lost, invented = np.zeros((120, 160), bool), np.zeros((120, 160), bool)
    lost[:26, 88:128], invented[96:108, :12] = True, True
    assert (wanted[:, lost] == 0).all()
    kept = np.isfinite(found[:, lost])
    assert np.flatnonzero(~kept.any(axis=1)).tolist() == [3, 11]
    assert kept[[k for k in range(20) if k not in (3, 11)]].mean() > 0.8
    assert np.isnan(found[:, invented]).all()
    rest = ~lost & ~invented & (wanted != 0).any(axis=0)
    np.testing.assert_allclose(found[:, rest], wanted[:, rest], atol=2e-7)


def run_mintpy(folder, script):
    """Run a script in which MintPy may warn and print as it likes."""
    code = textwrap.dedent(script)
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]


@needs_mintpy
@pytest.mark.parametrize("words", [("-w", "no"), ("-w", "fim"), ("-w", "coh"), ("-w", "var")])
def test_beside_mintpy(insarray, torn, tmp_path, words):
    """The same command line, both programs."""
    found = inverted(insarray, torn, *words, *THEIRS)
    for name in OUTPUTS:
        shutil.move(tmp_path / name, tmp_path / f"our_{name}")
    run_mintpy(
        tmp_path, f"from mintpy.cli import ifgram_inversion; ifgram_inversion.main(['{torn.stack}', *{list(words)}])"
    )
    for name, atol in zip(OUTPUTS, (2e-6, 2e-6, 0), strict=True):
        (key,) = set(read(tmp_path / name)) - {"date", "bperp"}
        wanted = read(tmp_path / name)[key]
        if "var" in words:
            atol = 3e-3 if key != "temporalCoherence" else 0.05
        np.testing.assert_allclose(found[name][key], wanted, atol=atol)


@needs_mintpy
def test_the_template_of_mintpy_is_understood(tmp_path, monkeypatch):
    """Every key of its own template is known, and `auto` is what its defaults say."""
    monkeypatch.chdir(tmp_path)
    folder = Path(importlib.util.find_spec("mintpy").origin).parent / "defaults"
    for name in ("smallbaselineApp.cfg", "smallbaselineApp_auto.cfg"):
        given = {"templates": [folder / name]}
        if name == "smallbaselineApp_auto.cfg":
            (tmp_path / "waterMask.h5").write_text("")
            (tmp_path / "exclude_date.txt").write_text("")
        found = settings.inversion(given)
        assert found.pop("water_mask") == (None if name == "smallbaselineApp.cfg" else "waterMask.h5")
        assert found == {key: value for key, value in settings.INVERSION.items() if key != "water_mask"}
        assert settings.time_functions(given) == settings.TIME_FUNCTIONS
        assert settings.height_error(given) == settings.HEIGHT_ERROR


@needs_mintpy
def test_mintpy_with_our_estimator(insarray, torn, tmp_path):
    """Its driver with `insarray.compat.mintpy.estimate_timeseries` in the place of its own."""
    found = inverted(insarray, torn, "-w", "coh", *THEIRS)
    run_mintpy(
        tmp_path,
        f"""
        import functools
        import mintpy.ifgram_inversion
        from mintpy.cli import ifgram_inversion
        from insarray.compat.mintpy import estimate_timeseries
        ours = functools.partial(estimate_timeseries, gap="min_norm", nodata="zero")
        mintpy.ifgram_inversion.estimate_timeseries = ours
        ifgram_inversion.main(['{torn.stack}', '-w', 'coh'])
        """,
    )
    for name in OUTPUTS:
        (key,) = set(read(tmp_path / name)) - {"date", "bperp"}
        np.testing.assert_allclose(found[name][key], read(tmp_path / name)[key], atol=2e-6)


@needs_mintpy
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "program", "words"),
    [
        ("velocity", "timeseries2velocity", ("--uq", "covariance", "--ts-cov", "timeseriesDecorCov.h5", "--poly", "2")),
        ("dem-error", "dem_error", ()),
        ("dem-error", "dem_error", ("--phase-velocity", "-g", "inputs/geometryRadar.h5")),
        ("dem-error", "dem_error", ("--phase-velocity", "--periodic", "1", "-p", "1")),
    ],
)
def test_steps_beside_mintpy(insarray, tmp_path, monkeypatch, command, program, words):
    """The same command line, both programs; a height error of 100 m to 0.1 mm."""
    monkeypatch.chdir(tmp_path)
    project = write_project(tmp_path, water=False)
    done(insarray("invert", project.stack, "-w", "no", "--calc-cov", *THEIRS))
    outputs = ("velocity.h5",) if command == "velocity" else ("demErr.h5", "c.h5", "timeseriesResidual.h5")
    words = ("timeseries.h5", *words, *(() if command == "velocity" else ("-o", "c.h5")))
    done(insarray(command, *words, "--nodata", "zero"))
    for name in outputs:
        shutil.move(name, f"our_{name}")
    run_mintpy(tmp_path, f"from mintpy.cli import {program}; {program}.main({list(words)})")
    for name in outputs:
        theirs = read(tmp_path / name)
        for layer in set(theirs) - {"date", "bperp"}:
            found = read(tmp_path / f"our_{name}")[layer]
            np.testing.assert_allclose(found, theirs[layer], atol=1e-4 if layer == "dem" else 2e-6, err_msg=layer)


@needs_mintpy
@pytest.mark.parametrize("geocoded", [False, True])
def test_mintpy_reads_our_files(insarray, tmp_path, monkeypatch, geocoded):
    """Its tools run on our files; what it computes from them is what we compute."""
    monkeypatch.chdir(tmp_path)
    project = write_project(tmp_path, geocoded=geocoded)
    done(insarray("invert", project.stack, "--nodata", "zero"))
    done(insarray("velocity", "timeseries.h5", "--periodic", 1, "--nodata", "zero"))
    tools = [
        ("info", ["timeseries.h5"]),
        ("view", ["velocity.h5", "velocity", "--nodisplay", "-o", "v.png"]),
        ("tsview", ["timeseries.h5", "--yx", "8", "9", "--nodisplay", "--save", "-o", "point"]),
        ("timeseries2velocity", ["timeseries.h5", "--periodic", "1", "-o", "theirs.h5"]),
        (
            "reference_date",
            ["timeseries.h5", "--ref-date", read(tmp_path / "timeseries.h5")["date"][2].decode(), "-o", "r.h5"],
        ),
        ("generate_mask", ["temporalCoherence.h5", "-m", "0.7", "-o", "theirMask.h5"]),
        ("mask", ["velocity.h5", "-m", "maskTempCoh.h5", "-o", "masked.h5"]),
        ("temporal_average", ["timeseries.h5", "-o", "average.h5"]),
    ]
    if geocoded:
        quality = ["--tc", "temporalCoherence.h5", "--asc", "average.h5", "-m", "maskTempCoh.h5"]
        tools.append(("save_gdal", ["velocity.h5", "-d", "velocity", "-o", "v.tif"]))
        tools.append(("save_hdfeos5", ["timeseries.h5", *quality, "-g", str(project.geometry)]))
    lines = [f"from mintpy.cli import {name}; {name}.main({words!r})" for name, words in tools]
    run_mintpy(tmp_path, "\n".join(["import matplotlib; matplotlib.use('Agg')", *lines]))
    ours, theirs = read(tmp_path / "velocity.h5"), read(tmp_path / "theirs.h5")
    assert set(theirs) <= set(ours)
    land = project.truth.water_mask.values
    for name, atol in {"velocity": 2e-3, "velocityStd": 2e-3, "residue": 1e-4, "annualAmplitude": 2e-3}.items():
        np.testing.assert_allclose(ours[name][land], theirs[name][land], atol=atol, err_msg=name)
    np.testing.assert_array_equal(read(tmp_path / "maskTempCoh.h5")["mask"], read(tmp_path / "theirMask.h5")["mask"])
    assert (tmp_path / "v.png").stat().st_size > 5000
    assert len(list(tmp_path.glob("*.he5"))) == geocoded


# -- references, residuals, updates ---------------------------------------------------------------------------------


def test_the_series_of_another_reference_date(insarray, project, tmp_path):
    done(insarray("invert", project.stack))
    dates = [date.decode() for date in read(tmp_path / "timeseries.h5")["date"]]
    done(insarray("invert", project.stack, "--ref-date", dates[3], "-o", "t.h5", "c.h5", "n.h5"))
    plain, moved = (read(tmp_path / name)["timeseries"] for name in ("timeseries.h5", "t.h5"))
    np.testing.assert_allclose(moved, plain - plain[3], atol=1e-7)
    assert np.nanmax(np.abs(plain[3])) > 1e-3
    assert attributes(tmp_path / "t.h5")["REF_DATE"] == dates[3]
    refused(insarray("invert", project.stack, "--overwrite", "--ref-date", "20300101"), "20300101")


def test_the_covariance_of_the_dates(insarray, project, tmp_path):
    done(insarray("invert", project.stack, "-w", "no", "--calc-cov"))
    stack = ia.open_stack(project.stack, product="mintpy")
    expected = ia.covariance(stack, weights="none").displacement_covariance
    found = read(tmp_path / "timeseriesDecorCov.h5")
    np.testing.assert_allclose(found["timeseries"], expected, rtol=1e-5, atol=1e-12)
    assert list(found["date"]) == list(read(tmp_path / "timeseries.h5")["date"])
    assert attributes(tmp_path / "timeseriesDecorCov.h5")["FILE_TYPE"] == "timeseries"
    dates = [date.decode() for date in found["date"]]
    done(insarray("invert", project.stack, "-w", "no", "--calc-cov", "--ref-date", dates[2], "--overwrite"))
    moved = read(tmp_path / "timeseriesDecorCov.h5")["timeseries"]
    variance = expected.values[4, 4] - 2 * expected.values[4, 2] + expected.values[2, 2]
    np.testing.assert_allclose(moved[4, 4], variance, rtol=1e-4, atol=1e-12)
    assert not np.nanmax(np.abs(moved[2])) > 1e-12
    assert np.nanmax(variance) > 1e-9
    refused(insarray("invert", project.stack, "--calc-cov", "--norm", "l1", "--overwrite"), "not of --norm l1")


def test_the_velocity_relative_to_another_date_and_point(insarray, series, tmp_path):
    dates = [date.decode() for date in read(series)["date"]]
    done(insarray("velocity", series, "--ref-date", dates[2], "--ref-yx", 3, 4))
    given = ia.open_series(series)
    expected = ia.fit(ia.rereference(given, date=dates[2], reference=(3, 4)))
    found, attrs = read(tmp_path / "velocity.h5"), attributes(tmp_path / "velocity.h5")
    for name in ("velocity", "intercept"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-7)
        assert not np.allclose(found[name], ia.fit(given)[name], atol=1e-5, equal_nan=True)
    assert (attrs["REF_DATE"], attrs["REF_Y"], attrs["REF_X"]) == (dates[2], "3", "4")
    again = ("velocity", series, "--overwrite")
    refused(insarray(*again, "--ref-yx", 1.5, 2), "--ref-yx: 1.5 2 are not row and column")
    refused(insarray(*again, "--ref-yx", 1, 2, "--ref-lalo", -1, -2), "--ref-lalo, --ref-yx: both are given")
    refused(insarray(*again, "--ref-lalo", -1), "is not 2 words")


def test_the_point_by_latitude_and_longitude(insarray, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stack = write_project(tmp_path, geocoded=True).stack
    done(insarray("invert", stack))
    given = ia.open_series("timeseries.h5")
    (lon,), (lat,) = transform(given.insar.grid.crs, "EPSG:4326", [float(given.x[6])], [float(given.y[5])])
    done(insarray("velocity", "timeseries.h5", "--ref-lalo", lat, lon))
    expected = ia.fit(ia.rereference(given, reference=(5, 6)))
    np.testing.assert_allclose(read(tmp_path / "velocity.h5")["velocity"], expected.velocity, atol=1e-7)


FUNCTIONS = ("--periodic", 1, "--step", "20190318", "--polyline", "20190401")


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        ((), ()),
        (("polynomial",), ("annual", "step_20190318", "velocity_change_20190401")),
        (("periodic", "polyline"), ("velocity", "step_20190318")),
        (("step",), ("velocity", "annual", "velocity_change_20190401")),
    ],
)
def test_residuals_without_some_functions(insarray, series, tmp_path, kinds, kept):
    dates = [date.decode() for date in read(series)["date"]]
    words = ("--save-res", "--res-file", "r.h5", *(("--rm-timefun", *kinds) if kinds else ()))
    done(insarray("velocity", series, *FUNCTIONS, "--ex", dates[1], *words))
    found = read(tmp_path / "r.h5")
    assert [date.decode() for date in found["date"]] == [dates[0], *dates[2:]]
    fitted = ia.open_series(series).isel(time=[0, *range(2, len(dates))])
    model = ia.fit(fitted, periods=(1.0,), steps=("20190318",), velocity_changes=("20190401",))
    rest = fitted.displacement - ia.predict(model, fitted.time.values)
    if kept:
        rest = rest + (fitted.displacement - ia.remove_terms(fitted, model, kept).displacement)
        level = {"polynomial": -model.intercept, "step": 0.0}.get(kinds[0])
        if level is not None:
            np.testing.assert_allclose(found["timeseries"][0], level + 0 * model.intercept, atol=2e-7)
        rest = rest - rest[0] + found["timeseries"][0]
    np.testing.assert_allclose(found["timeseries"], rest, atol=2e-7)
    refused(insarray("velocity", series, "--overwrite", "--save-res", "--rm-timefun", "trend"), "--rm-timefun: trend")


@pytest.mark.parametrize("command", ["invert", "velocity", "dem-error"])
def test_update_computes_only_what_has_changed(insarray, series, project, tmp_path, command):
    words = {
        "invert": (project.stack, "-w", "no"),
        "velocity": (series, "--poly", 1),
        "dem-error": (series, "-g", project.geometry),
    }[command]
    other = {"invert": ("-w", "coh"), "velocity": ("--poly", 2), "dem-error": ("--phase-velocity",)}[command]
    again = ("--overwrite",) if command == "invert" else ()
    done(insarray(command, *words, *again))
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.h5")}
    assert "up to date" in done(insarray(command, *words, "--update"))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.h5")} == made
    assert "written" in done(insarray(command, *words, *other, "--update"))
    assert "written" in done(insarray(command, *words, *other, "--nodata", "zero", "--update"))
    assert "up to date" in done(insarray(command, *words, *other, "--nodata", "zero", "--update"))


def test_update_takes_files_that_mintpy_made(insarray, series, project, tmp_path):
    """As MintPy: same settings, newer than the inputs; its files have the job of the series they were made of."""
    words, output = ("dem-error", series, "-g", project.geometry, "--nodata", "zero"), tmp_path / "timeseries_demErr.h5"
    done(insarray(*words))

    def as_of_mintpy(**changes):
        with h5py.File(series) as source, h5py.File(output, "r+") as file:
            file.attrs.update({"insarray.job": source.attrs["insarray.job"]} | changes)

    as_of_mintpy()
    assert "up to date" in done(insarray(*words, "--update"))
    assert "written" in done(insarray(*words[:-2], "--update"))  # MintPy's are 0 where these are to be NaN
    done(insarray(*words, "--overwrite"))
    as_of_mintpy()
    assert "written" in done(insarray(*words, "--step-date", "20190318", "--update"))
    as_of_mintpy(**{"mintpy.topographicResidual.stepDate": "[]"})
    os.utime(output, (0, 0))
    assert "written" in done(insarray(*words, "--update"))


def test_options_of_memory_and_clusters_have_no_effect(insarray, series, tmp_path):
    with pytest.warns(StackWarning, match="--ram, --cluster, --config: no effect here"):
        code, _, _ = insarray("velocity", series, "--ram", 4, "-c", "slurm", "--config", "x", "-o", "a.h5")
    assert code == 0
    done(insarray("velocity", series, "-o", "b.h5"))
    for name, values in read(tmp_path / "b.h5").items():
        np.testing.assert_array_equal(read(tmp_path / "a.h5")[name], values)


# -- the mask of reliable pixels ------------------------------------------------------------------------------------


def test_the_mask_of_reliable_pixels(insarray, torn, tmp_path):
    """Temporal coherence of at least 0.7, or minTempCoh, as smallbaselineApp.py makes it; nothing where it is unknown."""
    path = tmp_path / "maskTempCoh.h5"
    coherence = inverted(insarray, torn)["temporalCoherence.h5"]["temporalCoherence"]
    found = read(path)["mask"]
    assert (found.dtype, attributes(path)["FILE_TYPE"]) == (np.dtype(bool), "mask")
    np.testing.assert_array_equal(found, coherence >= np.float32(0.7))
    limit = float(np.nanquantile(coherence, 0.2))
    assert coherence[2, 3] >= limit  # lacks a date
    coherence = inverted(insarray, torn, "--nodata", "zero", "-t", template(tmp_path, f"{KEY}.minTempCoh = {limit}"))
    expected = coherence["temporalCoherence.h5"]["temporalCoherence"] >= np.float32(limit)
    np.testing.assert_array_equal(read(path)["mask"], expected)
    assert not expected[2, 3]
    assert 0 < expected.sum() != found.sum()


def test_pixels_in_shadow_are_not_reliable(insarray, project, tmp_path):
    shadow = np.zeros((30, 34), bool)
    shadow[:, 15:] = True
    edit(project.geometry, shadowMask=shadow)
    inverted(insarray, project)
    found = read(tmp_path / "maskTempCoh.h5")["mask"]
    assert not found[shadow].any()
    inverted(insarray, project, "-t", template(tmp_path, f"{KEY}.shadowMask = no"))
    without = read(tmp_path / "maskTempCoh.h5")["mask"]
    assert without[shadow].any()
    np.testing.assert_array_equal(found[~shadow], without[~shadow])


# -- standard errors by the covariance of the dates -----------------------------------------------------------------


def test_velocity_by_the_covariance(insarray, project, tmp_path):
    """Least squares without weights, the covariance propagated: of all dates, of some, or variances only."""
    done(insarray("invert", project.stack, "--calc-cov", "-o", "ts.h5", "tc.h5", "n.h5"))
    file = tmp_path / "tsDecorCov.h5"  # named after the series, as there
    dates, matrix = read(file)["date"], read(file)["timeseries"].astype(np.float64)
    words = ("velocity", "ts.h5", "--overwrite", "--uq", "covariance", "--ts-cov")
    done(insarray("velocity", "ts.h5"))
    plain = read(tmp_path / "velocity.h5")
    years = ia.open_series("ts.h5").time.values.astype("datetime64[D]").astype(int) / 365.25
    land = np.isfinite(plain["velocity"])
    for kept, options in ((slice(None), ()), (slice(1, None), ("-s", dates[1].decode()))):
        done(insarray(*words, file, *options))
        found = read(tmp_path / "velocity.h5")
        design = np.column_stack([np.ones(len(dates)), years - years[kept][0]])[kept]
        inverse = np.linalg.pinv(design)
        variance = np.einsum("iu,uvyx,iv->iyx", inverse, matrix[kept, kept], inverse)
        for name, expected in zip(("interceptStd", "velocityStd"), np.sqrt(variance), strict=True):
            np.testing.assert_allclose(found[name][land], expected[land], rtol=1e-4, err_msg=name)
    assert not np.allclose(plain["velocityStd"][land], found["velocityStd"][land], rtol=0.1)
    # in another order of dates; 0 throughout is no covariance
    order = [3, 0, 2, 1, *range(4, len(dates))]
    moved = matrix[np.ix_(order, order)]
    moved[:, :, 5, 6] = 0
    edit(file, date=dates[order], timeseries=moved)
    done(insarray(*words, file, "-s", dates[1].decode()))
    again = read(tmp_path / "velocity.h5")["velocityStd"]
    assert np.isnan(again[5, 6])
    assert np.isfinite(found["velocityStd"][5, 6])
    land[5, 6] = False
    np.testing.assert_allclose(again[land], found["velocityStd"][land], rtol=1e-6)
    # variances: dates independent
    edit(file, timeseries=np.einsum("iiyx->iyx", moved))
    done(insarray(*words, file, "-s", dates[1].decode()))
    expected = np.sqrt(np.einsum("iu,uuyx,iu->iyx", inverse, matrix[1:, 1:], inverse))[1]
    np.testing.assert_allclose(read(tmp_path / "velocity.h5")["velocityStd"][land], expected[land], rtol=1e-4)


def test_covariances_that_cannot_be_used(insarray, series, project, tmp_path):
    words = ("velocity", series, "--uq", "covariance")
    refused(insarray(*words), "--uq covariance: needs the covariance of the dates; give --ts-cov")
    refused(insarray(*words, "--ts-cov", "absent.h5"), "absent.h5")
    refused(insarray(*words, "--ts-cov", "temporalCoherence.h5"), "temporalCoherence.h5: has no timeseries and date")
    with h5py.File(series) as file:
        dates, attrs = file["date"][:], dict(file.attrs)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file.attrs.update(attrs)
        file["date"] = dates[:-1]
        file["timeseries"] = np.ones((len(dates) - 1, len(dates) - 1, 30, 34), np.float32)
    given = (*words, "--ts-cov", "c.h5")
    refused(insarray(*given), f"c.h5: has no covariance of {dates[-1].decode()}")
    edit(tmp_path / "c.h5", date=dates)
    refused(insarray(*given), "(date, date, y, x) or (date, y, x) needed")
    edit(tmp_path / "c.h5", timeseries=np.ones((len(dates), 20, 34), np.float32))
    refused(insarray(*given), "c.h5: ")
    edit(tmp_path / "c.h5", timeseries=np.ones((len(dates), 30, 34), np.float32), UNIT="mm")
    refused(insarray(*given), "is in 'mm'; a covariance in m^2 is needed")
    assert "velocity.h5" not in names(tmp_path)
    with pytest.warns(StackWarning, match=r"--ts-cov: c\.h5 has no effect without --uq covariance"):
        assert insarray("velocity", series, "--ts-cov", "c.h5")[0] == 0
    np.testing.assert_array_equal(
        read(tmp_path / "velocity.h5")["velocityStd"], ia.fit(ia.open_series(series), min_dates=0).velocity_std
    )


def test_an_update_sees_another_covariance(insarray, project, tmp_path):
    done(insarray("invert", project.stack, "--calc-cov"))
    cov = tmp_path / "timeseriesDecorCov.h5"
    words = ("velocity", "timeseries.h5", "--uq", "covariance", "--ts-cov", cov, "--update")
    done(insarray(*words))
    first = read(tmp_path / "velocity.h5")["velocityStd"]
    assert "up to date" in done(insarray(*words))
    with h5py.File(cov, "a") as file:
        file["timeseries"][...] *= 4
    assert "written" in done(insarray(*words))
    np.testing.assert_allclose(read(tmp_path / "velocity.h5")["velocityStd"], 2 * first, rtol=1e-5)
    refused(insarray(*words[:-1], "--overwrite", "-o", cov), "timeseriesDecorCov.h5")


# -- DEM error by velocities, and with the geometry of the centre ---------------------------------------------------


@pytest.mark.parametrize("varying", [False, True])
def test_dem_error_by_phase_velocity(insarray, series, project, tmp_path, varying):
    """Least squares of the differences of consecutive dates over their years, pixel by pixel; no constant is removed."""
    raw, geometry = read(series), read(project.geometry)
    bperp = raw["bperp"][:, None, None] + np.zeros((30, 34))
    if varying:
        bperp = bperp * np.linspace(0.9, 1.1, 34)
        edit(project.geometry, bperp=bperp.astype(np.float32), date=raw["date"])
    base = ("dem-error", series, "-g", project.geometry, "-p", 1, "--ex", raw["date"][2].decode())
    done(insarray(*base))
    plain = read(tmp_path / "demErr.h5")["dem"]
    done(insarray(*base, "--phase-velocity", "--overwrite"))
    assert attributes(tmp_path / "demErr.h5")["mintpy.topographicResidual.phaseVelocity"] == "True"
    found = read(tmp_path / "demErr.h5")["dem"]
    corrected, residual = (
        read(tmp_path / name)["timeseries"] for name in ("timeseries_demErr.h5", "timeseriesResidual.h5")
    )
    years = ia.open_series(series).time.values.astype("datetime64[D]").astype(int) / 365.25
    years -= years[0]
    keep = np.arange(len(years)) != 2
    for y, x in ((3, 4), (12, 20), (25, 8)):
        angle = np.deg2rad(geometry["incidenceAngle"][y, x])
        columns = np.column_stack([bperp[:, y, x] / (geometry["slantRangeDistance"][y, x] * np.sin(angle)), years])
        values, steps = raw["timeseries"][:, y, x].astype(np.float64), np.diff(years[keep])
        matrix = np.diff(columns[keep], axis=0) / steps[:, None]
        height, velocity = np.linalg.lstsq(matrix, np.diff(values[keep]) / steps, rcond=None)[0]
        np.testing.assert_allclose(found[y, x], height, rtol=1e-4)
        assert abs(plain[y, x] - height) > 0.01 * abs(height)
        np.testing.assert_allclose(corrected[:, y, x], values - columns[:, 0] * height, atol=1e-6)
        np.testing.assert_allclose(residual[:, y, x], values - columns @ [height, velocity], atol=1e-6)
    water = ~project.truth.water_mask.values
    assert np.isnan(found[water]).all()
    assert np.isnan(corrected[:, water]).all()
    refused(insarray(*base, "--phase-velocity", "--overwrite", "-s", "20300101"), "20300101")


def test_dem_error_with_the_geometry_of_the_centre(insarray, series, project, tmp_path):
    """Law of cosines on a sphere between the first and the last column, or the angle that the attributes state."""
    plain = ia.open_series(series)
    radius, height, near, step = 6371000.0, 698834.2, 846000.0, 34.94  # as in the attributes of the project
    ends = near + step * np.array([0, 34])
    angle = np.rad2deg(np.arccos(((radius + height) ** 2 - radius**2 - ends**2) / (2 * radius * ends))).mean()
    assert 30 < angle < 45
    for stated in (None, "23.5"):
        edit(series, CENTER_INCIDENCE_ANGLE=stated)
        done(insarray("dem-error", series, "--overwrite"))
        how = {"slant_range": near + step * 16.5, "incidence_angle": angle if stated is None else 23.5}
        expected = ia.fit(plain, degree=2, height_error=True, min_dates=0, min_redundancy=0, **how).height_error
        np.testing.assert_allclose(read(tmp_path / "demErr.h5")["dem"], expected, rtol=1e-4, atol=1e-4)
    edit(series, CENTER_INCIDENCE_ANGLE=None, EARTH_RADIUS=None)
    done(insarray("dem-error", series, "--overwrite"))  # the mean radius
    sines = np.sin(np.deg2rad([angle, 23.5]))
    np.testing.assert_allclose(read(tmp_path / "demErr.h5")["dem"], expected * sines[0] / sines[1], rtol=1e-3)


def test_series_whose_attributes_do_not_state_the_geometry(insarray, series):
    for changed, message in (
        ({"STARTING_RANGE": "far"}, "STARTING_RANGE = 'far' is no number"),
        ({"STARTING_RANGE": "846.0"}, "state slant_range = "),
        ({"STARTING_RANGE": "600000.0"}, "state incidence_angle = "),
        ({"STARTING_RANGE": "846000.0", "HEIGHT": None}, "has no attribute HEIGHT"),
        ({"HEIGHT": "7e5", "X_FIRST": "0.0", "Y_FIRST": "0.0", "X_STEP": "1.0", "Y_STEP": "-1.0"}, "is geocoded"),
    ):
        edit(series, **changed)
        line = refused(insarray("dem-error", series), message)
        assert "timeseries.h5" in line
        assert "give -g" in line
    edit(series, X_FIRST=None, Y_FIRST=None, X_STEP=None, Y_STEP=None, bperp=None)
    refused(insarray("dem-error", series), "has no bperp; give it in the file of -g")
