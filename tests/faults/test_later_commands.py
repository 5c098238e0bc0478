"""Exports, tables, plots, corrections, GNSS and the peers' commands: faults that those of the inversion do not meet."""

import gzip
import os
import shutil
import zipfile

import h5py
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.__main__ import cli  # noqa: F401 (the peers' commands are added there)
from insarray.cli.process import run_command
from insarray.io.corrections.open import delay_files
from insarray.io.layers.hdf5 import opened
from insarray.model.dataset import grid_of
from insarray.model.errors import ArgumentError, FileError, StoreError
from insarray.model.secrets import shown
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.faults.test_sources import absolute, server  # noqa: F401 (a fixture)
from tests.io.corrections.delay_files import gacos, geotiff
from tests.io.web import served
from tests.products.corrections.test_ionosphere import ionex

SIGHT = ["--line-of-sight", "37/-13"]
FLIGHT = ["--heading", "-13", "--incidence-angle", "37", "--time-of-day", "00:51:03"]
ESCAPES = "\x1b[31mX\x07\u202e"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A stored series with velocity, interferograms, a mask, tables of places, points and stations."""
    folder = tmp_path_factory.mktemp("scene")
    stack, _ = simulate_stack(shape=(16, 18), n_dates=5, missing=0, water=False)
    write_geotiffs(stack, folder / "ifgs")
    series = ia.invert(stack.chunk(y=16, x=18), reference=(4, 4))
    ia.run(series.merge(ia.fit(series), combine_attrs="override"), folder / "series.zarr", workers=1)
    result = ia.open(folder / "series.zarr")
    ia.to_cog(result.temporal_coherence, folder / "mask.tif")
    ia.to_table(result, folder / "table.csv", every=4)
    ia.to_mintpy(result, folder / "mintpy")
    lon, lat = grid_of(result).lonlat(8, 9)
    (folder / "places.csv").write_text(f"lon,lat,name\n{lon},{lat},here\n")
    days = np.arange(stack.insar.network.times[0], stack.insar.network.times[-1] + 86400, np.timedelta64(1, "D"))
    rows = [f"{name},{day},{lon},{lat},0,0,0\n" for name in ("AAAA", "BBBB") for day in days.astype("datetime64[D]")]
    (folder / "gnss.csv").write_text("station,date,longitude,latitude,east,north,up\n" + "".join(rows))
    return folder


@pytest.fixture
def here(scene, tmp_path, monkeypatch):
    """A copy of the scene that is the working directory."""
    shutil.copytree(scene, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def bits(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(capsys, *words, code=2):
    """The one line by which a command is refused."""
    assert run_command([str(word) for word in words]) == code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert "internal error" not in lines[0]
    return lines[0]


# -- outputs that are inputs --------------------------------------------------------------------------------------------


def test_no_plot_table_or_file_of_a_peer_replaces_an_input(here, capsys, account):
    pair = sorted((here / "ifgs").glob("*.unw.tif"))[0]
    place = (here / "places.csv").read_text().splitlines()[1].split(",")[:2]
    for name, target in {
        "mask.png": "mask.tif",
        "gnss.png": "gnss.csv",
        "pair.png": pair,
        "mask.nc": "mask.tif",
    }.items():
        (here / name).symlink_to(target)
    (here / "area.geojson").write_text(
        '{"type": "Polygon", "coordinates": [[[-180,-80],[180,-80],[180,80],[-180,-80]]]}'
    )
    dolphin = [
        "--unwrapped-paths",
        *(here / "ifgs").glob("*.unw.tif"),
        "--reference-point",
        4,
        4,
        "--output-dir",
        "out",
    ]
    commands = [
        ["plot", "velocity", "series.zarr", "mask.png", "--mask", "mask.tif"],
        ["plot", "velocity", "series.zarr", "series.zarr/v.png"],
        ["plot", "compare", "series.zarr", "series.zarr/v.png", "--with", "series.zarr"],
        ["gnss", "series.zarr", "gnss.csv", *SIGHT, "--plot", "gnss.png"],
        ["info", "ifgs", "--wavelength", 0.05, "--plot", "pair.png"],
        ["closure", "ifgs", "--wavelength", 0.05, "--plot", "pair.png"],
        ["correct", "series.zarr", "o.zarr", "--tides", *FLIGHT, "--assess", "--dry-run", "--mask", "mask.tif",
         "--plot", "mask.png"],
        ["timeseries", "table.csv", "--lonlat", *place, "--radius", 500, "-o", "table.csv", "--overwrite"],
        ["timeseries", "series.zarr", "--lonlat", *place, "--mask", "mask.tif", "-o", "mask.nc", "--overwrite"],
        ["export", "table.csv", "table.csv", "--overwrite"],
        ["export", "series.zarr", "area.geojson", "--area", "area.geojson", "--overwrite"],
        ["mintpy", "velocity", "mintpy/timeseries.h5", "-o", "mintpy/timeseries.h5", "--overwrite"],
        ["dolphin", "timeseries", *dolphin, "--run-velocity", "--velocity-file", pair, "--overwrite"],
    ]  # fmt: skip
    before = bits(here)
    for words in commands:
        message = refused(capsys, *words)
        assert "input" in message, (words, message)
    assert bits(here) == before
    account(
        "plot, table or file of a peer over an input", "links, hidden in a store, by itself", len(commands), 0,
        "exit 2, one line",
    )  # fmt: skip


def test_a_picture_is_there_when_it_is_complete(here, monkeypatch):
    picture = here / "v.png"
    drawn = ia.plot.velocity(ia.open("series.zarr"))
    ia.plot.save(drawn, picture)
    before = picture.read_bytes()
    monkeypatch.setattr(type(drawn.figure), "savefig", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(StoreError, match="not written"):
        ia.plot.save(drawn, picture)
    assert picture.read_bytes() == before
    assert not list(here.glob(".v.png*"))


# -- text and numbers ---------------------------------------------------------------------------------------------------


def test_names_in_pictures_and_tables_hold_no_control_characters(here, account):
    text = (here / "gnss.csv").read_text().replace("AAAA", ESCAPES)
    (here / "gnss.csv").write_text(text)
    assert run_command(["gnss", "series.zarr", "gnss.csv", *SIGHT, "--plot", "g.svg"]) == 0
    (here / "places.csv").write_text((here / "places.csv").read_text().replace("here", ESCAPES))
    assert run_command(["timeseries", "series.zarr", "--points", "places.csv", "-o", "p.csv"]) == 0
    table = (here / "table.csv").read_text().splitlines()
    (here / "table.csv").write_text("\n".join([table[0], *(ESCAPES + line[line.index(",") :] for line in table[1:])]))
    assert run_command(["export", "table.csv", "t.csv"]) == 0
    for name in ("g.svg", "p.csv", "t.csv"):
        written = (here / name).read_text()
        assert r"\x1b[31m" in written, name
        assert not set("\x1b\x07\u202e") & set(written), name
    account("escape sequences in names of stations and places", "SVG, CSV", 3, 0, "written out")


@pytest.mark.parametrize("text", ["1_9", "\u0661\u0669", "nan", "inf", "1e400"])
def test_options_have_numbers_as_people_write_them(text, here, capsys, account):
    place = ["--lonlat", "-99.1", "19.4"]
    for words in (
        ["timeseries", "series.zarr", *place, "--radius", text],
        ["timeseries", "series.zarr", "--lonlat", "-99.1", text],
        ["export", "series.zarr", "x.csv", "--every", text],
        ["frame", "series.zarr", "o.zarr", *SIGHT, "--pole", f"{text},1,1"],
        ["gnss", "series.zarr", "gnss.csv", "--line-of-sight", f"{text}/-13"],
        ["correct", "series.zarr", "o.zarr", "--tides", *FLIGHT, "--max-hours", text],
        ["mintpy", "velocity", "mintpy/timeseries.h5", "--period", text],
    ):
        refused(capsys, *words)
    account(
        "numbers that only Python takes for such",
        "`1_9`, Arabic digits, `nan`: 7 options of 6 commands",
        35,
        0,
        "exit 2",
    )


def test_tables_of_points_and_stations_have_them_too(here, account):
    table = (here / "table.csv").read_text().splitlines()
    for text in ("1_0", "\u0661", "0x10", "1e400"):
        (here / "odd.csv").write_text("\n".join([table[0], table[1].rpartition(",")[0] + f",{text}"]))
        with pytest.raises(FileError, match=r"odd.csv, line 2: .* not a number"):
            ia.open("odd.csv")
    (here / "odd.csv").write_text("\n".join([table[0], table[1].rpartition(",")[0] + ",nan"]))
    assert np.isnan(ia.open("odd.csv").displacement.values[-1]).all()
    lines = (here / "gnss.csv").read_text().splitlines()
    (here / "far.csv").write_text("\n".join([lines[0], lines[1].rpartition(",")[0] + ",1e308", lines[2]]))
    with pytest.raises(FileError, match=r"AAAA has a position or velocity of 1e\+308 m"):
        ia.open_gnss("far.csv")
    account("numbers of tables that are none, or beyond the earth", "points, stations", 5, 0, "exit 2, line named")


def _ionex(path, change):
    ionex(path, "2019-01-05", lambda hour, lat, lon: 10)
    path.write_text(change(path.read_text()))
    return path


@pytest.mark.parametrize(
    ("label", "value"),
    [("EXPONENT", "  9999"), ("EXPONENT", "   1_0"), ("BASE RADIUS", "  -6371.0"), ("LAT1 / LAT2 / DLAT", "  8_7.5 -87.5  -2.5")],
)  # fmt: skip
def test_an_ionex_header_is_one_of_the_earth(label, value, tmp_path, account):
    from insarray.io.corrections.ionex import read_ionex

    def change(text):
        lines = [value.ljust(60) + label if line[60:].strip() == label else line for line in text.splitlines()]
        return "\n".join(
            lines if any(value in line for line in lines) else [lines[0], value.ljust(60) + label, *lines[1:]]
        )

    with pytest.raises(FileError, match=r"a\.19i: its header"):
        read_ionex(_ionex(tmp_path / "a.19i", change))
    if label == "EXPONENT":
        account("IONEX of another world", "10^9999 TECU, radius -6371 km, `8_7.5`", 4, 0, "exit 2, one line")


# -- files that name others, and bombs ----------------------------------------------------------------------------------


def test_delays_that_name_other_files(tmp_path, server, account):  # noqa: F811
    address, asked = server
    lat, lon = np.arange(20.0, 19.0, -0.1), np.arange(-100.0, -99.0, 0.1)
    (tmp_path / "given").mkdir()
    (tmp_path / "other").mkdir()
    gacos(tmp_path / "other", "20190105", lat, lon, np.ones((10, 10)))
    gacos(tmp_path / "given", "20190105", lat, lon, np.ones((10, 10)))
    assert len(delay_files(str(tmp_path / "given"))) == 1
    flat = tmp_path / "given/20190105.ztd"
    flat.unlink()
    flat.symlink_to(tmp_path / "other/20190105.ztd")
    with pytest.raises(FileError, match=r"20190105.ztd: is a link to .*other"):
        delay_files(str(tmp_path / "given"))
    for path in (tmp_path / "given").iterdir():
        path.unlink()
    raster = tmp_path / "given/20190105.ztd.tif"
    geotiff(raster, lat, lon, np.ones((10, 10)))
    vrt = f"<VRTDataset><VRTRasterBand>{absolute(f'/vsicurl/http://{address}/steal.tif')}</VRTRasterBand></VRTDataset>"
    for suffix in (".msk", ".ovr", ".aux.xml"):
        beside = tmp_path / f"given/20190105.ztd.tif{suffix}"
        beside.write_text(vrt if suffix != ".aux.xml" else '<PAMDataset><MDI key="OVERVIEW_FILE">x</MDI></PAMDataset>')
        with pytest.raises(FileError, match=f"ztd.tif{suffix}: "):
            delay_files(str(tmp_path / "given"))
        beside.unlink()
    assert len(delay_files(str(tmp_path / "given"))) == 1
    with pytest.raises(FileError, match="are read from this machine"), served(tmp_path / "given") as base:
        delay_files(f"{base}/20190105.ztd.tif")
    assert not asked
    account(
        "delays (GACOS) that name other files", "link, mask, overview, .aux.xml, URL", 5, 0, "exit 2, nothing asked"
    )


def test_archives_and_files_that_unpack_to_more_than_memory(tmp_path, account):
    from insarray.io.corrections.ionex import read_ionex

    with zipfile.ZipFile(tmp_path / "s.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("AAAA.tenv3", b"\n" * 20_000_000)
    with pytest.raises(FileError, match=r"AAAA\.tenv3 unpacks to 20 MB"):
        ia.open_gnss(tmp_path / "s.zip")
    with zipfile.ZipFile(tmp_path / "e.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("EGMS_L2b.csv", b"pid,latitude,longitude,20190105,20190117\n" + b"0," * 10_000_000)
    with pytest.raises(FileError, match=r"EGMS_L2b\.csv unpacks to 20 MB"):
        ia.open_points(tmp_path / "e.zip")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("AAAA.tenv3", "x")
    locked = bytearray((tmp_path / "p.zip").read_bytes())
    locked[6] |= 1
    locked[locked.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "p.zip").write_bytes(locked)
    with pytest.raises(FileError, match=r"p\.zip: cannot be unpacked .*password"):
        ia.open_gnss(tmp_path / "p.zip")
    packed = gzip.compress(_ionex(tmp_path / "a.19i", lambda text: text + " " * 60_000_000).read_bytes(), 1)
    (tmp_path / "a.19i.gz").write_bytes(packed)
    with pytest.raises(FileError, match="unpacks to more than 50000000 bytes"):
        read_ionex(tmp_path / "a.19i.gz")
    packed = bytearray(gzip.compress(_ionex(tmp_path / "a.19i", str).read_bytes()))
    packed[60:63] = b"\xff\xff\xff"
    (tmp_path / "a.19i.gz").write_bytes(packed)
    with pytest.raises(FileError, match=r"a\.19i\.gz: cannot be read"):
        read_ionex(tmp_path / "a.19i.gz")
    account("zip and gzip bombs, damage, a password", "GNSS, EGMS, IONEX", 5, 0, "exit 2, one line")


def test_text_without_end_and_pipes_in_folders(tmp_path, account):
    from insarray.io.tables import read_lines

    (tmp_path / "long.csv").write_text("lon,lat\n" + "1" * (1 << 24))
    with pytest.raises(FileError, match=r"long\.csv: has a line of more than"):
        list(read_lines(tmp_path / "long.csv")[1])
    (tmp_path / "stations").mkdir()
    os.mkfifo(tmp_path / "stations/a.csv")
    with pytest.raises(ArgumentError, match="holds no file of stations"):
        ia.open_gnss(tmp_path / "stations")
    account("a line without end; a pipe among stations", "16 MB; FIFO", 2, 0, "exit 2, one line")


def test_hdf5_of_more_blocks_than_a_graph_holds(tmp_path, account):
    with h5py.File(tmp_path / "ifgramStack.h5", "w") as file:
        size = 2_100_000
        file.attrs.update({"WAVELENGTH": "0.05", "FILE_TYPE": "ifgramStack", "LENGTH": str(size), "WIDTH": str(size)})
        file["date"] = np.array([[b"20190105", b"20190117"]], "S8")
        file["bperp"], file["dropIfgram"] = np.zeros(1, "f4"), np.ones(1, bool)
        file.create_dataset("unwrapPhase", (1, size, size), "f4", chunks=(1, 1000, 1000), compression="gzip")
    assert (tmp_path / "ifgramStack.h5").stat().st_size < 100_000
    with pytest.raises(ArgumentError, match="2100000 x 2100000 pixels are 4410000 blocks"):
        ia.open_stack(tmp_path / "ifgramStack.h5")
    account("HDF5 of 4 x 10^12 pixels in 10 kB", "open_stack", 1, 0, "exit 2, one line")


def test_hdf5_with_a_filter_that_is_not_there(tmp_path, account):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk((4, 4))
        made.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
        space = h5py.h5s.create_simple((4, 4))
        stored = h5py.h5d.create(file.id, b"phase", h5py.h5t.IEEE_F32LE, space, made)
        stored.write_direct_chunk((0, 0), b"abcdef")
    with pytest.raises(FileError, match=r"a\.h5: could not read it as HDF5"), opened(path) as file:
        file["phase"][:]
    account("HDF5 filter that is not installed", "32015", 1, 0, "exit 2, one line")


# -- stores ---------------------------------------------------------------------------------------------------------------


def _changed(arrays, member):
    """Metadata of a store with the change to one array."""

    def change(metadata):
        metadata["consolidated_metadata"]["metadata"][arrays] |= member
        return metadata

    return change


METADATA = {
    "unknown codec": _changed("velocity", {"codecs": [{"name": "evil", "configuration": {}}]}),
    "pickle as a codec": _changed("velocity", {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}),
    "objects": _changed("velocity", {"data_type": "object"}),
    "huge shape": _changed("velocity", {"shape": [2**40, 2**40]}),
    "negative shape": _changed("velocity", {"shape": [-1, 18]}),
    "huge coordinate": _changed("y", {"shape": [2**36]}),
    "chunks of nothing": _changed(
        "velocity", {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 0]}}}
    ),
    "huge chunks": _changed(
        "velocity", {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2**31, 2**31]}}}
    ),
    "separator that leads out": _changed(
        "velocity", {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "/../../"}}}
    ),
    "units of escapes": _changed("time", {"attributes": {"units": "days since \x1b[31m"}}),
}


@pytest.mark.parametrize("kind", METADATA)
def test_hostile_metadata_of_a_store(kind, here, capsys, account):
    import json

    path = here / "series.zarr/zarr.json"
    path.write_text(json.dumps(METADATA[kind](json.loads(path.read_text()))))
    message = refused(capsys, "timeseries", "series.zarr", "--points", "places.csv", code=7)
    assert "series.zarr: its metadata are damaged" in message
    assert "\x1b" not in message
    if kind == "objects":
        account("hostile metadata of a store", ", ".join(METADATA), len(METADATA), 0, "exit 7, one line")


def test_a_damaged_chunk_of_an_input_of_exports(here, capsys, account):
    chunk = next(path for path in (here / "series.zarr/displacement/c").rglob("*") if path.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    for words in (["export", "series.zarr", "a.csv"], ["timeseries", "series.zarr", "--points", "places.csv"]):
        message = refused(capsys, *words, code=7)
        assert message.startswith("insarray: series.zarr: a chunk is damaged")
    assert not (here / "a.csv").exists()
    account("flipped bit in a store that is exported", "export, timeseries", 2, 0, "exit 7, one line")


def test_a_clock_that_is_set_back_between_two_runs(tmp_path, account):
    stack, _ = simulate_stack(shape=(32, 32), n_dates=4, missing=0, water=False)
    job = ia.invert(stack.chunk(y=16, x=16), reference=None)

    def stop(finished, _):
        if finished == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ia.run(job, tmp_path / "o.zarr", workers=1, progress=stop)
    for path in (tmp_path / "o.zarr").rglob("*"):
        os.utime(path, (4e9, 4e9))  # in the year 2096: the clock has been set back since
    assert ia.run(job, tmp_path / "o.zarr", workers=1).computed <= 2
    ia.run(job, tmp_path / "calm.zarr", workers=1)
    for name in ("displacement", "temporal_coherence"):
        found, expected = (xr.open_zarr(tmp_path / store)[name] for store in ("o.zarr", "calm.zarr"))
        np.testing.assert_array_equal(found, expected)
    account("clock set back between kill and resume", "files of the year 2096", 1, 2, "same bits")


# -- secrets and servers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://user:TOPSECRET@{host}/{{}}",
        pytest.param("http://{host}/{{}}?X-Amz-Signature=TOPSECRET", marks=pytest.mark.slow),
        pytest.param("http://{host}/{{}}#TOPSECRET", marks=pytest.mark.slow),
    ],
)
def test_no_later_command_prints_or_keeps_a_secret(url, here, tmp_path, capfd, account):
    shutil.move(here / "series.zarr", tmp_path / "in/series.zarr")
    shutil.copytree(tmp_path / "in/series.zarr", here / "own.zarr")
    for name in ("mask.tif", "places.csv", "gnss.csv"):
        shutil.copy(here / name, tmp_path / "in" / name)
    with served(tmp_path / "in") as base:
        at = url.format(host=base.removeprefix("http://")).format
        commands = [
            ["export", at("series.zarr"), "a.csv"],
            ["export", "own.zarr", "b.csv", "--mask", at("mask.tif")],
            ["export", "own.zarr", at("c.csv")],
            ["timeseries", at("series.zarr"), "--points", "places.csv", "-o", "d.csv"],
            ["timeseries", "own.zarr", "--points", at("places.csv")],
            ["timeseries", "own.zarr", "--points", "places.csv", "-o", at("e.csv")],
            ["correct", at("series.zarr"), "f.zarr", "--tides", *FLIGHT],
            ["correct", "own.zarr", "g.zarr", "--tides", *FLIGHT, "--geometry", at("geometry.nc")],
            ["correct", "own.zarr", "h.zarr", "--troposphere", at("a.nc"), *FLIGHT],
            ["decompose", at("series.zarr"), "own.zarr", "i.zarr", "--north", "zero", "--line-of-sight", "37/-13,37/-170"],
            ["gnss", at("series.zarr"), at("gnss.csv"), *SIGHT, "--plot", at("j.png")],
            ["frame", "own.zarr", at("k.zarr"), *SIGHT, "--plate", "NorthAmerica"],
            ["unwrap", at("wrapped"), "l.zarr", "--wavelength", "0.03"],
            ["mintpy", "velocity", at("timeseries.h5")],
            ["dolphin", "timeseries", "--unwrapped-paths", at("a.tif"), "--output-dir", "m", "--reference-point", "1", "1"],
        ]  # fmt: skip
        for words in commands:
            assert run_command(["-vv", *words]) in (0, 2), (words, capfd.readouterr())
    said = capfd.readouterr()
    assert "TOPSECRET" not in said.out + said.err
    assert [path for path in here.rglob("*") if path.is_file() and b"TOPSECRET" in path.read_bytes()] == []
    account(
        f"{'password' if '@' in url else 'signature' if '?' in url else 'fragment'} in URLs of later commands",
        f"{len(commands)} commands, -vv", len(commands), 0, "neither printed nor stored",
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["ftp:/user:TOPSECRET@h/a", "/here/https:/u:TOPSECRET@h/a.tif", "http:/h/a.csv#TOPSECRET: no", "'.tif#TOPSECRET'"]
)  # fmt: skip
def test_a_url_that_lost_a_slash_is_shown_without_its_secret(text):
    assert "TOPSECRET" not in shown(text)
    assert shown("reader:/data/a.tif and 'a.b'") == "reader:/data/a.tif and 'a.b'"


def test_a_web_server_that_takes_no_stores(here, capsys, account):
    with served(here) as base:
        message = refused(capsys, "frame", "series.zarr", f"{base}/o.zarr", *SIGHT, "--plate", "NorthAmerica")
    assert "cannot be created" in message
    account("output on a web server that only sends", "PUT refused", 1, 0, "exit 2, one line")
