"""decompose, gnss, tie and frame: every command of their pages runs and does what the function does; refusals."""

import json
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.cli.process import run_command
from tests.components import DATES, GRIDS, KNOTS, PARTS, motion, series
from tests.products.test_line_of_sight import write
from tests.test_docs import ROOT, blocks
from tests.test_docs_commands import shell_lines

HERE = GRIDS["ascending"]
PLACES = {"AAAA": (5, 20), "BBBB": (12, 60), "CCCC": (9, 120), "DDDD": (15, 90)}


def stations(folder):
    """Tables of daily positions, and a velocity file of MIDAS, of stations that move as the scene does."""
    from tests.io.test_gnss import midas

    (folder / "stations").mkdir()
    days = np.arange(np.datetime64("2019-12-01"), np.datetime64("2020-12-20"))
    along = np.interp((days - KNOTS[0]).astype("m8[D]").astype(float), *_course())
    text = "station,date,longitude,latitude,east,north,up\n"
    lines = []
    for name, place in PLACES.items():
        lon, lat = HERE.lonlat(*place)
        moved = motion(HERE)[:, place[0], place[1]]
        text += "".join(
            f"{name},{day},{lon},{lat},{a * moved[0]:.7f},{a * moved[1]:.7f},{a * moved[2]:.7f}\n"
            for day, a in zip(days, along, strict=True)
        )
        lines.append(midas(name, lon, tuple(float(v) for v in moved)).replace("38.5", f"{lat}"))
    (folder / "stations/positions.csv").write_text(text)
    (folder / "midas.txt").write_text("".join(lines))
    (folder / "steps.txt").write_text("AAAA  20MAY15  2   288.403   229.929  6.5 nn00725272\n")


def _course():
    from tests.components import COURSE

    return (KNOTS - KNOTS[0]) / np.timedelta64(1, "D"), COURSE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two stores as insarray invert leaves them, without a line of sight, and the files that the pages name."""
    where = tmp_path_factory.mktemp("components")
    for name in ("ascending", "descending"):
        data = series(name, rows=24, missing=0.02).drop_vars(PARTS)
        ia.run(data.assign(ia.fit(data)).chunk(y=24, x=80), where / f"{name}.zarr", workers=1)
        los = series(name, rows=24, missing=0)[list(PARTS)].isel(x=80, y=0)
        write(where / f"{name}_los.tif", [float(los[part]) for part in PARTS], GRIDS[name])
    track = ia.open(where / "ascending.zarr")[["velocity", "velocity_std"]].compute()
    for name, columns, offset in (("west", slice(0, 100), 0.0), ("east", slice(60, None), 0.02)):
        part = track.isel(x=columns)
        noise = np.random.default_rng(3).normal(offset, 0.002 * offset / 0.02, part.velocity.shape).astype("f4")
        changed = part.assign(velocity=part.velocity + noise, velocity_std=part.velocity_std * (1 + 50 * offset))
        ia.run(changed, where / f"{name}.zarr", workers=1)
    stations(where)
    return where


def run(words):
    code = run_command(words)
    assert code == 0, words


@pytest.mark.parametrize("page", ["docs/how_to/components.md", "docs/how_to/gnss.md"])
def test_every_command_of_the_page_runs(page, folder, tmp_path, monkeypatch, capsys):
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.chdir(tmp_path)
    lines = shell_lines(page)
    assert len(lines) >= 4
    for words, _ in lines:
        code = run_command(words[1:])
        assert code == 0, f"{' '.join(words)}: {capsys.readouterr().err}"
    names: dict[str, object] = {}
    for example in blocks((ROOT / page).read_text(), "python"):
        exec(compile(example, page, "exec"), names)
    if page.endswith("components.md"):
        found = ia.open("motion.zarr")
        assert found.attrs["tracks"] == "ascending descending"
        assert np.isfinite(found.velocity_up).mean() > 0.8
        assert ia.open("series.zarr").displacement_up.sizes["time"] == 10
        assert (tmp_path / "components.png").stat().st_size > 5000
        assert ia.open("field.zarr").velocity.sizes["x"] == HERE.width
    else:
        assert (tmp_path / "stations.png").stat().st_size > 5000
        assert "step_20200515" in names["model"]
        assert 'id="gnss-stations"' in (tmp_path / "report.html").read_text()
        assert ia.open("eurasia.zarr").attrs["reference_frame"] == "NorthAmerica (ITRF2020) fixed"
        assert ia.open("motion_on_plate.zarr").attrs["plate_motion"].startswith("removed: pole 60 -90")
        assert ia.open("ascending_tied.zarr").attrs["gnss_tie_stations"] == 4


def test_options_reach_the_function(folder, tmp_path):
    """Each option that has an effect on this scene changes what comes out as the function with its keyword does."""
    los = [f"--line-of-sight={folder}/{name}_los.tif" for name in ("ascending", "descending")]
    stores = [str(folder / f"{name}.zarr") for name in ("ascending", "descending")]
    tracks = {}
    for name, store in zip(("ascending", "descending"), stores, strict=True):
        data = ia.open(store)
        tracks[name] = data.assign(ia.line_of_sight(data, folder / f"{name}_los.tif"))
    north = xr.Dataset(
        {
            "velocity_north": tracks["ascending"].velocity * 0 + 0.01,
            "velocity_north_std": tracks["ascending"].velocity * 0 + 0.001,
        }
    )
    ia.to_netcdf(north.assign_coords(tracks["ascending"].coords), tmp_path / "north.nc")
    cases = {
        ("--north", "free"): {"north": "free"},
        ("--north", "gnss", "--gnss", str(tmp_path / "north.nc")): {
            "north": "gnss",
            "gnss": ia.open(tmp_path / "north.nc"),
        },
        ("--north", "zero", "--noise", "0.01,0.02"): {"north": "zero", "noise": [0.01, 0.02]},
        ("--north", "zero", "--weights", "none"): {"north": "zero", "weights": "none"},
        ("--north", "zero", "--max-dilution", "1.1"): {"north": "zero", "max_dilution": 1.1},
        ("--north", "zero", "--resampling", "bilinear"): {"north": "zero", "resampling": "bilinear"},
        ("--north", "zero", "--like", stores[1]): {"north": "zero", "like": tracks["descending"]},
    }
    seen = []
    for k, (words, keywords) in enumerate(cases.items()):
        run(["decompose", *stores, str(tmp_path / f"{k}.zarr"), *los, *words])
        found, expected = ia.open(tmp_path / f"{k}.zarr").compute(), ia.decompose(tracks, **keywords).compute()
        xr.testing.assert_equal(found[list(expected.data_vars)], expected)
        seen.append((found.velocity_up_std.values, found.velocity_up.values))
    assert all(not np.array_equal(a, b, equal_nan=True) for a, b in pairwise(seen))


def test_merge_by_options(folder, tmp_path):
    """Each option changes the stored field as the keyword changes that of the function."""
    stores = [str(folder / f"{name}.zarr") for name in ("west", "east")]
    tracks = {name: ia.open(store) for name, store in zip(("west", "east"), stores, strict=True)}
    sighted = {name: of.assign(ia.line_of_sight(of, folder / "ascending_los.tif")) for name, of in tracks.items()}
    gnss = ia.open_gnss(folder / "midas.txt")
    sight = f"--line-of-sight={folder}/ascending_los.tif,{folder}/ascending_los.tif"
    cases = {
        (): {},
        ("--surface", "plane"): {"surface": "plane"},
        ("--weights", "none"): {"weights": "none"},
        ("--like", stores[1]): {"like": tracks["east"]},
        ("--gnss", str(folder / "midas.txt"), sight): {"gnss": gnss},
        ("--gnss", str(folder / "midas.txt"), sight, "--up", "zero"): {"gnss": gnss, "up": "zero"},
        ("--gnss", str(folder / "midas.txt"), sight, "--radius", "300"): {"gnss": gnss, "radius": 300.0},
        ("--no-robust", "--surface", "plane"): {"robust": False, "surface": "plane"},
    }
    seen = []
    for k, (words, keywords) in enumerate(cases.items()):
        run(["merge", *stores, str(tmp_path / f"{k}.zarr"), *words])
        found = ia.open(tmp_path / f"{k}.zarr").compute()
        expected = ia.merge_tracks(sighted if "gnss" in keywords else tracks, **keywords).compute()
        for name in expected.data_vars:
            np.testing.assert_array_equal(found[name], expected[name])
        np.testing.assert_array_equal(found.track_coefficient, expected.track_coefficient)
        seen.append(found.velocity.values)
    assert all(a.shape != b.shape or not np.array_equal(a, b, equal_nan=True) for a, b in pairwise(seen))


def test_the_comparison_as_json(folder, tmp_path, capsys):
    words = [
        "gnss",
        str(folder / "ascending.zarr"),
        str(folder / "stations"),
        "--line-of-sight",
        str(folder / "ascending_los.tif"),
    ]
    run([*words, "--json"])
    found = json.loads(capsys.readouterr().out)
    stored = tmp_path / "comparison.nc"
    run([*words, "--json", "--out", str(stored)])
    assert json.loads(capsys.readouterr().out) == found
    assert [str(name) for name in ia.open(stored).station.values] == list(found["stations"])
    assert run_command([*words, "--out", str(stored)]) == 2
    run([*words, "--out", str(stored), "--overwrite"])
    capsys.readouterr()
    assert set(found["stations"]) == set(PLACES)
    assert len(found["dates"]) == len(DATES["ascending"])
    assert 0.002 < found["standard_deviation"] < 0.05
    run([*words, "--json", "--reference", "CCCC", "--radius", "200", "--at", "median", "--days", "1"])
    other = json.loads(capsys.readouterr().out)
    assert (other["reference_station"], other["radius"], other["pixels_at_station"], other["gnss_days"]) == (
        "CCCC",
        200.0,
        "median",
        1,
    )
    assert other["rms"] != found["rms"]


def test_ties_by_options(folder, tmp_path):
    words = ["tie", str(folder / "ascending.zarr"), str(folder / "midas.txt")]
    seen = {}
    for name, more in {
        "plane": (), "offset": ("--surface", "offset"), "zero": ("--up", "zero"), "wide": ("--radius", "300"),
        "plain": ("--no-robust",), "angles": (),
    }.items():  # fmt: skip
        sight = "39/-12" if name == "angles" else str(folder / "ascending_los.tif")
        run([*words, str(tmp_path / f"{name}.zarr"), "--line-of-sight", sight, *more])
        seen[name] = ia.open(tmp_path / f"{name}.zarr")
    levels = [float(seen[name].velocity.mean()) for name in ("plane", "zero", "wide", "angles")]
    assert len(set(levels)) == 4
    assert seen["offset"].attrs["gnss_tie"] == "offset"
    assert seen["plain"].attrs["gnss_tie_robust"] == "False"
    run(
        [
            *words[:2],
            str(folder / "stations"),
            str(tmp_path / "s.zarr"),
            "--line-of-sight",
            str(folder / "ascending_los.tif"),
            "--days",
            "2",
        ]
    )
    assert ia.open(tmp_path / "s.zarr").gnss_tie_coefficient.dims == ("time", "tie_term")
    assert (
        run_command(["tie", str(tmp_path / "plane.zarr"), str(folder / "midas.txt"), str(tmp_path / "again.zarr")]) == 2
    )


def test_frames_by_options(folder, tmp_path):
    words = ["frame", str(folder / "ascending.zarr")]
    los = ["--line-of-sight", str(folder / "ascending_los.tif")]
    run([*words, str(tmp_path / "a.zarr"), *los, "--plate", "pacific", "--model", "ITRF2014"])
    run(
        [
            "frame",
            str(tmp_path / "a.zarr"),
            str(tmp_path / "b.zarr"),
            "--plate",
            "pacific",
            "--model",
            "ITRF2014",
            "--change",
            "add",
        ]
    )
    first, back = (ia.open(path).displacement for path in (folder / "ascending.zarr", tmp_path / "b.zarr"))
    np.testing.assert_allclose(back, first, atol=1e-6)
    assert abs(float((ia.open(tmp_path / "a.zarr").displacement - first)[-1].mean())) > 1e-3


def test_requirements_by_options(folder, capsys):
    words = ["validate", str(folder / "ascending.zarr"), "--json", "--pairs", "300"]
    seen = {}
    for name, more in {
        "plain": (), "opera": ("--requirement", "opera_disp"), "wide": ("--threshold", "0.5"), "slope": ("--slope", "0.01"),
        "little": ("--share", "0.01"), "seed": ("--seed", "3"),
        "gnss": ("--gnss", str(folder / "midas.txt"), "--line-of-sight", "39/-12"),
        "date": ("--requirement", "nisar_transient", "--date", "2020-06-07"), "bins": ("--distances", "0.2,1,2"),
    }.items():  # fmt: skip
        run([*words, *more])
        seen[name] = json.loads(capsys.readouterr().out)
    assert (seen["gnss"]["method"], seen["plain"]["method"]) == ("GNSS", "pairs of pixels")
    assert seen["wide"]["fraction"] == 1
    assert seen["opera"]["threshold"] == 0.005
    assert [one["distance_from"] for one in seen["opera"]["bins"]][:2] == [0.1, 5.0]
    assert [(one["distance_from"], one["distance_to"]) for one in seen["bins"]["bins"]] == [(0.2, 1.0), (1.0, 2.0)]
    assert seen["date"]["slope"] == 0.003
    assert seen["little"]["passed"] == "True"
    assert seen["slope"]["fraction"] > seen["plain"]["fraction"] != seen["seed"]["fraction"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["decompose", "ascending.zarr", "descending.zarr", "o.zarr"], "--north: state the assumption"),
        (
            ["decompose", "ascending.zarr", "o.zarr", "--north", "zero"],
            "ascending.zarr: has no line of sight; give its files",
        ),
        (
            [
                "decompose",
                "ascending.zarr",
                "descending.zarr",
                "o.zarr",
                "--north",
                "zero",
                "--line-of-sight",
                "39/-12",
            ],
            "--line-of-sight: 1 for 2 tracks; give one of each",
        ),
        (["decompose", "ascending.zarr", "ascending.zarr", "--north", "zero"], "ascending.zarr: is an input"),
        (["gnss", "ascending.zarr", "stations", "--line-of-sight", "39/-12,1/2"], "2 are given for one store"),
        (["gnss", "ascending.zarr", "nowhere", "--line-of-sight", "39/-12"], "nowhere does not exist"),
        (["tie", "ascending.zarr", "midas.txt", "o.zarr", "--line-of-sight", "none.tif"], "none.tif does not exist"),
        (["frame", "ascending.zarr", "o.zarr", "--line-of-sight", "39/-12"], "plate: give the name of a plate"),
        (["frame", "ascending.zarr", "o.zarr", "--pole", "1,2"], "--pole: '1,2' is not LAT,LON,RATE"),
        (["frame", "ascending.zarr", "o.zarr", "--plate", "Eurasia"], "data: has no los_east; add the line of sight"),
    ],
)
def test_what_cannot_be_is_one_line_and_code_2(words, message, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run_command(words) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (folder / "o.zarr").exists()


def test_midas_by_options(tmp_path):
    stack, _ = ia.simulate_stack(shape=(8, 8), n_dates=50, missing=0, water=False)
    series = ia.invert(stack, reference=(4, 4))
    ia.run(series.chunk(y=8, x=8), tmp_path / "series.zarr", workers=1)
    seen = []
    for k, (words, keywords) in enumerate(
        (
            ([], {}),
            (["--steps", str(series.time.values[20])[:10]], {"steps": [str(series.time.values[20])[:10]]}),
            (["--tolerance", "0.05"], {"tolerance": 0.05}),
        )
    ):
        run(["midas", str(tmp_path / "series.zarr"), str(tmp_path / f"{k}.zarr"), *words])
        found = ia.open(tmp_path / f"{k}.zarr").compute()
        xr.testing.assert_equal(found.velocity, ia.midas(series, **keywords).velocity.compute())
        seen.append(found.velocity.values)
    assert all(not np.array_equal(a, b, equal_nan=True) for a, b in pairwise(seen))


def test_a_report_without_stations_takes_no_line_of_sight(folder, tmp_path, capsys):
    words = ["report", str(folder / "ascending.zarr"), str(tmp_path / "r.html"), "--line-of-sight", "38/-12"]
    assert run_command(words) == 2
    assert "give them with --gnss" in capsys.readouterr().err
