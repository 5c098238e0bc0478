"""Files that name other files: nothing is read that was not given, no server is asked."""

import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.sax.saxutils import escape

import h5py
import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy

import insarray as ia
from insarray.io.layers.vrt_sources import require_unchanged
from insarray.model.errors import FileError
from insarray.simulate.stacks import simulate_stack

PAIR = "20190105_20190117"
SIZE = 16
GEO = "<SRS>EPSG:4326</SRS><GeoTransform>10,0.001,0,45,0,-0.001</GeoTransform>"
HEAD = f'<VRTDataset rasterXSize="{SIZE}" rasterYSize="{SIZE}">{GEO}'
RAW = (
    HEAD + '<VRTRasterBand dataType="Float32" band="1" subClass="VRTRawRasterBand">{source}<ImageOffset>0</ImageOffset>'
    "<PixelOffset>4</PixelOffset><LineOffset>64</LineOffset><ByteOrder>LSB</ByteOrder></VRTRasterBand></VRTDataset>"
)
SIMPLE = (
    HEAD + '<VRTRasterBand dataType="Float32" band="1"><SimpleSource>{source}<SourceBand>1</SourceBand></SimpleSource>'
    "</VRTRasterBand></VRTDataset>"
)
VALUES = np.arange(SIZE * SIZE, dtype="f4").reshape(SIZE, SIZE) / 100 + 1


def absolute(name: object) -> str:
    return f'<SourceFilename relativeToVRT="0">{escape(str(name))}</SourceFilename>'


def relative(name: object) -> str:
    return f'<SourceFilename relativeToVRT="1">{escape(str(name))}</SourceFilename>'


def geotiff(path: Path, values: np.ndarray = VALUES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": "EPSG:4326", "transform": rasterio.Affine(0.001, 0, 10, 0, -0.001, 45)}
    with rasterio.open(path, "w", width=SIZE, height=SIZE, count=1, dtype=values.dtype, **place) as file:
        file.write(values, 1)
    return path


@pytest.fixture
def server():
    """Address of a server, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


@pytest.fixture
def places(tmp_path):
    """A folder that is given, and beside it one with a secret in several formats."""
    given, other = tmp_path / "given", tmp_path / "other"
    given.mkdir()
    geotiff(other / "secret.tif")
    VALUES.tofile(other / "secret.raw")
    with h5py.File(other / "secret.h5", "w") as file:
        file["phase"] = VALUES
    (other / "secret.vrt").write_text(SIMPLE.format(source=relative("secret.tif")))
    return given, other


def opened(given: Path) -> np.ndarray:
    return ia.open_stack(f"{given}/*.vrt", wavelength=0.05).unwrapped_phase.values


VRTS = {
    "raw band, absolute": lambda other, _: RAW.format(source=absolute(other / "secret.raw")),
    "raw band, ..": lambda other, _: RAW.format(source=relative("../other/secret.raw")),
    "another case": lambda other, _: RAW.format(
        source=absolute(other / "secret.raw").replace("SourceFilename", "sourcefilename")
    ).replace("subClass", "SUBCLASS"),
    "attribute as an element": lambda other, _: SIMPLE.format(
        source="<SourceFilename>../other/secret.tif<relativeToVRT>1</relativeToVRT></SourceFilename>"
    ),
    "element as an attribute": lambda other, _: (
        HEAD + '<VRTRasterBand dataType="Float32" band="1"><SimpleSource '
        f'SourceFilename="{other}/secret.tif"><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>'
    ),
    "second name": lambda other, _: SIMPLE.format(source=relative("own.tif") + absolute(other / "secret.tif")),
    "GeoTIFF elsewhere": lambda other, _: SIMPLE.format(source=absolute(other / "secret.tif")),
    "HDF5 elsewhere": lambda other, _: SIMPLE.format(source=absolute(f'HDF5:"{other}/secret.h5"://phase')),
    "NetCDF elsewhere": lambda other, _: SIMPLE.format(source=absolute(f"NETCDF:{other}/secret.h5:phase")),
    "VRT elsewhere": lambda other, _: SIMPLE.format(source=absolute(other / "secret.vrt")),
    "VRT in a VRT": lambda other, _: SIMPLE.format(source=relative("inner.dat")),
    "text of a VRT as the name": lambda other, _: SIMPLE.format(
        source=absolute(SIMPLE.format(source=absolute(other / "secret.tif")))
    ),
    "link": lambda other, _: SIMPLE.format(source=relative("link.tif")),
    "passwd": lambda other, _: RAW.format(source=absolute("/etc/passwd")),
    "text beside a header": lambda other, _: SIMPLE.format(source=relative("text.dat")),
    "mask band": lambda other, _: SIMPLE.format(source=relative("own.tif")).replace(
        "</VRTDataset>",
        f'<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource>{absolute(other / "secret.tif")}<SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></MaskBand></VRTDataset>",
    ),
    "overview": lambda other, _: SIMPLE.format(source=relative("own.tif")).replace(
        "</VRTRasterBand>",
        f"<Overview>{absolute(other / 'secret.tif')}<SourceBand>1</SourceBand></Overview></VRTRasterBand>",
    ),
    "warped": lambda other, _: (
        HEAD.replace(">", ' subClass="VRTWarpedDataset">', 1)
        + f'<GDALWarpOptions><SourceDataset relativeToVRT="0">{other}/secret.tif</SourceDataset></GDALWarpOptions></VRTDataset>'
    ),
    "Python": lambda other, _: (
        SIMPLE.format(source=relative("own.tif"))
        .replace('band="1"', 'band="1" subClass="VRTDerivedRasterBand"')
        .replace(
            "<SimpleSource>",
            "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
            "<PixelFunctionCode>def f(*_): open('/tmp/x')</PixelFunctionCode><SimpleSource>",
        )
    ),
    "vsicurl": lambda _, address: SIMPLE.format(source=absolute(f"/vsicurl/http://{address}/a.tif")),
    "vsicurl, options": lambda _, address: SIMPLE.format(source=absolute(f"/VSICURL?url=http://{address}/a.tif")),
    "vsizip": lambda _, address: SIMPLE.format(source=absolute(f"/vsizip/{{/vsicurl/http://{address}/a.zip}}/a.tif")),
    "URL": lambda _, address: SIMPLE.format(source=absolute(f"http://{address}/a.tif")),
    "URL in NetCDF": lambda _, address: SIMPLE.format(source=absolute(f'NETCDF:"http://{address}/a.nc":phase')),
    "WMS": lambda _, address: (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>http://{address}/</ServerUrl></Service></GDAL_WMS>'
    ),
    "WMS as the name": lambda _, address: SIMPLE.format(
        source=absolute(f'<GDAL_WMS><Service name="TMS"><ServerUrl>http://{address}/</ServerUrl></Service></GDAL_WMS>')
    ),
    "WMS as a file": lambda _, address: SIMPLE.format(source=relative("wms.tif")),
    "raw band, vsicurl": lambda _, address: RAW.format(source=absolute(f"/vsicurl/http://{address}/a.raw")),
    "tile index": lambda _, address: (
        f"<GDALTileIndexDataset><IndexDataset>http://{address}/</IndexDataset></GDALTileIndexDataset>"
    ),
}


def test_a_vrt_reads_nothing_that_was_not_given(places, server, account):
    given, other = places
    address, asked = server
    geotiff(given / "own.tif")
    (given / "link.tif").symlink_to(other / "secret.tif")
    (given / "inner.dat").write_text(SIMPLE.format(source=absolute(other / "secret.tif")))
    (given / "text.dat").write_text("PDS_VERSION_ID = PDS3\n^IMAGE = /etc/passwd\n" * 100)
    (given / "text.hdr").write_text("ENVI\nsamples = 16\nlines = 16\nbands = 1\ndata type = 4\n")
    (given / "wms.tif").write_text(VRTS["WMS"](other, address))
    for what, text in VRTS.items():
        (given / f"{PAIR}.unw.vrt").write_text(text(other, address))
        with pytest.raises(FileError) as refused:
            opened(given)
        assert "\n" not in str(refused.value)
        assert f"{given}/" in str(refused.value), what
        assert not asked, what
    account(
        "VRT that names other files, URLs or code",
        f"{len(VRTS)} kinds of source",
        len(VRTS),
        0,
        "exit 2, one line; nothing read or asked",
    )


@pytest.mark.parametrize(
    "text",
    [
        SIMPLE.format(source=relative("data/own.tif")),
        SIMPLE.format(source=relative("./data/../data/own.tif")),
        SIMPLE.format(source=relative("data/inner.vrt")),
        RAW.format(source=relative("data/own.raw")),
        SIMPLE.format(source=relative('HDF5:"data/own.h5"://phase')),
        SIMPLE.format(source=relative("data/envi.dat")),
    ],
)
def test_a_vrt_reads_what_lies_beside_and_below_it(text, tmp_path):
    geotiff(tmp_path / "data" / "own.tif")
    (tmp_path / "data" / "inner.vrt").write_text(SIMPLE.format(source=relative("own.tif")))
    VALUES.tofile(tmp_path / "data" / "own.raw")
    VALUES.tofile(tmp_path / "data" / "envi.dat")
    (tmp_path / "data" / "envi.hdr").write_text("ENVI\nsamples = 16\nlines = 16\nbands = 1\ndata type = 4\n")
    with h5py.File(tmp_path / "data" / "own.h5", "w") as file:
        file["phase"] = VALUES
    (tmp_path / f"{PAIR}.unw.vrt").write_text(text)
    np.testing.assert_array_equal(opened(tmp_path)[0], VALUES)


def test_sources_in_a_folder_that_was_given_too(tmp_path):
    """Either is given: the folder above by a pattern, the folder of the data by another argument."""
    one, coherence = tmp_path / "vrt" / f"{PAIR}.unw.vrt", tmp_path / "data" / f"{PAIR}.cor.tif"
    one.parent.mkdir()
    geotiff(coherence, np.full_like(VALUES, 0.5))
    geotiff(tmp_path / "data" / "own.tif")
    one.write_text(SIMPLE.format(source=absolute(tmp_path / "data" / "own.tif")))
    with pytest.raises(FileError, match="is in none of the folders that were given; if it is meant, name its folder"):
        ia.open_stack(str(one), wavelength=0.05)
    for files, options in ((f"{tmp_path}/v*/*.vrt", {}), (str(one), {"coherence": str(coherence)})):
        stack = ia.open_stack(files, wavelength=0.05, **options)
        np.testing.assert_array_equal(stack.unwrapped_phase.values[0], VALUES)


def test_sources_in_a_folder_that_the_environment_names(places, monkeypatch):
    given, other = places
    (given / f"{PAIR}.unw.vrt").write_text(SIMPLE.format(source=absolute(other / "secret.tif")))
    with pytest.raises(FileError, match="INSARRAY_SOURCES"):
        opened(given)
    monkeypatch.setenv("INSARRAY_SOURCES", f"/nowhere{os.pathsep}{other}")
    np.testing.assert_array_equal(opened(given)[0], VALUES)


def test_what_dolphin_and_gdalwarp_write_is_read(tmp_path):
    """Interferograms as pixel functions of two images, and a warped VRT."""
    for name, phase in (("a", 0.5), ("b", 0.2)):
        geotiff(tmp_path / f"{name}.tif", np.full((SIZE, SIZE), np.exp(1j * phase), "c8"))
    sources = "".join(
        f"<SimpleSource>{absolute(tmp_path / f'{name}.tif')}<SourceBand>1</SourceBand></SimpleSource>" for name in "ab"
    )
    text = (
        f'{HEAD}<VRTRasterBand dataType="CFloat32" band="1" subClass="VRTDerivedRasterBand"><PixelFunctionType>cmul'
        f"</PixelFunctionType>{sources}</VRTRasterBand></VRTDataset>"
    )
    (tmp_path / f"{PAIR}.int.vrt").write_text(text)
    wrapped = ia.open_wrapped(f"{tmp_path}/{PAIR}.int.vrt", wavelength=0.05)
    np.testing.assert_allclose(wrapped.wrapped_phase.values[1], 0.3, atol=1e-6)
    geotiff(tmp_path / "unwrapped" / "own.tif")
    with rasterio.open(tmp_path / "unwrapped" / "own.tif") as file, rasterio.vrt.WarpedVRT(file) as warped:
        copy(warped, tmp_path / "unwrapped" / f"{PAIR}.unw.vrt", driver="VRT")
    assert 'subClass="VRTWarpedDataset"' in (tmp_path / "unwrapped" / f"{PAIR}.unw.vrt").read_text()
    np.testing.assert_array_equal(opened(tmp_path / "unwrapped")[0], VALUES)


def test_a_source_that_becomes_a_link_after_opening_is_not_read(places, account):
    given, other = places
    VALUES.tofile(given / "own.raw")
    (given / f"{PAIR}.unw.vrt").write_text(RAW.format(source=relative("own.raw")))
    stack = ia.open_stack(f"{given}/*.vrt", wavelength=0.05)
    (given / "own.raw").unlink()
    (given / "own.raw").symlink_to(other / "secret.raw")
    with pytest.raises(FileError, match="has become a link since it was opened"):
        stack.unwrapped_phase.compute()
    require_unchanged([str(other / "secret.raw")])
    account("source of a VRT that becomes a link", "between opening and reading", 1, 0, "exit 2, nothing read")


def test_companions_of_a_geotiff_are_not_followed(places, server, account):
    given, _ = places
    address, asked = server
    path = geotiff(given / f"{PAIR}.unw.tif")
    vrt = SIMPLE.format(source=absolute(f"/vsicurl/http://{address}/a.tif"))
    overviews = '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW&#95;FILE">x</MDI></Metadata></PAMDataset>'
    for suffix, text in ((".msk", vrt), (".ovr", vrt), (".aux.xml", overviews)):
        Path(f"{path}{suffix}").write_text(text)
        with pytest.raises(FileError, match=f"unw.tif{suffix}: "):
            ia.open_stack(str(path), wavelength=0.05)
        Path(f"{path}{suffix}").unlink()
    with rasterio.open(path, "r+") as file:
        file.update_tags(seen="yes")
    with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as file:
        file.build_overviews([2])
    Path(f"{path}.aux.xml").write_text("<PAMDataset><Metadata><MDI key='a'>b</MDI></Metadata></PAMDataset>")
    assert Path(f"{path}.ovr").exists()
    np.testing.assert_array_equal(ia.open_stack(str(path), wavelength=0.05).unwrapped_phase.values[0], VALUES)
    assert not asked
    account("mask, overview or .aux.xml that names a URL", "beside a GeoTIFF", 3, 0, "exit 2, nothing asked")


def test_raw_pixels_behind_a_link_are_those_that_were_given(places, account):
    """Any bytes are pixels: a link in a folder leads to files that were given; one that is named itself is."""
    given, other = places
    link = given / f"{PAIR}.unw"
    link.symlink_to(other / "secret.raw")
    Path(f"{link}.hdr").write_text("ENVI\nsamples = 16\nlines = 16\nbands = 1\ndata type = 4\n")
    with pytest.raises(FileError, match=r"unw: is a link to .*secret.raw, which is in none of the folders"):
        ia.open_stack(f"{given}/*.unw", wavelength=0.05)
    np.testing.assert_array_equal(ia.open_stack(str(link), wavelength=0.05).unwrapped_phase.values[0], VALUES)
    account("link to raw pixels elsewhere", "ENVI", 1, 0, "exit 2, one line")


def test_a_vrt_behind_a_url_is_refused_before_anything_it_names_is_asked(server, account):
    address, asked = server
    with pytest.raises(ia.InsarrayError):
        ia.open_stack(f"http://{address}/{PAIR}.unw.vrt", wavelength=0.05)
    assert all("steal" not in path for path in asked)
    account("VRT behind a URL", "open_stack", 1, 0, "exit 2, nothing asked")


def _virtual(file, other):
    layout = h5py.VirtualLayout(VALUES.shape, "f4")
    layout[...] = h5py.VirtualSource(str(other / "secret.h5"), "phase", VALUES.shape)
    file.create_virtual_dataset("phase", layout)


def _external(file, other):
    file.create_dataset("phase", VALUES.shape, "f4", external=[(str(other / "secret.raw"), 0, VALUES.nbytes)])


def _linked(file, other):
    file["phase"] = h5py.ExternalLink(str(other / "secret.h5"), "phase")


@pytest.mark.parametrize("elsewhere", [_virtual, _external, _linked])
def test_hdf5_keeps_its_values_itself(elsewhere, places, account):
    given, other = places
    for suffix in (".nc", ".h5"):
        with h5py.File(given / f"{PAIR}.unw{suffix}", "w") as file:
            elsewhere(file, other)
    (given / f"{PAIR}.unw.vrt").write_text(SIMPLE.format(source=relative(f'HDF5:"{PAIR}.unw.h5"://phase')))
    for name in (f"{PAIR}.unw.nc", f"{PAIR}.unw.vrt"):
        with pytest.raises(FileError, match=r"is a link or keeps its values elsewhere|no image|no variable"):
            ia.open_stack(str(given / name), wavelength=0.05)
    account(
        f"HDF5 with values elsewhere: {elsewhere.__name__[1:]}", "NetCDF, and behind a VRT", 2, 0, "exit 2, one line"
    )


@pytest.fixture
def store(tmp_path):
    stack, _ = simulate_stack(shape=(16, 16), n_dates=4, water=False)
    ia.run(ia.invert(stack, reference=(4, 4)), str(tmp_path / "given" / "series.zarr"), scheduler="threads")
    return tmp_path / "given" / "series.zarr"


def test_links_in_a_store_lead_to_nothing_outside(store, tmp_path, monkeypatch, account):
    chunk = next(path for path in (store / "displacement" / "c").rglob("*") if path.is_file())
    moved = tmp_path / "elsewhere"
    chunk.rename(moved)
    chunk.symlink_to(moved)
    with pytest.raises(ia.InsarrayError, match=r"is a link to .*elsewhere, which is in none of the folders"):
        ia.open(store)
    monkeypatch.setenv("INSARRAY_SOURCES", str(tmp_path))
    assert np.isfinite(ia.open(store).displacement.values).any()
    account("link in a Zarr store", "a chunk that leads out of it", 1, 0, "exit 2, one line")


@pytest.mark.parametrize("name", ["../../other", "a/../../other", "/other"])
def test_names_in_a_store_lead_to_nothing_outside(name, store):
    path = store / "zarr.json"
    content = json.loads(path.read_text())
    arrays = content["consolidated_metadata"]["metadata"]
    arrays[name] = arrays["displacement"]
    path.write_text(json.dumps(content))
    with pytest.raises(ia.InsarrayError, match="which leads out of it"):
        ia.open(store)


def test_an_area_is_what_its_extension_says(tmp_path, server, account):
    address, asked = server
    geotiff(tmp_path / f"{PAIR}.unw.tif")
    text = (
        f'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/vsicurl/http://{address}/kml.gpkg</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    for suffix in (".shp", ".gpkg", ".kml", ".gml"):
        path = tmp_path / f"area{suffix}"
        path.write_text(text)
        with pytest.raises(FileError, match=f"cannot be read as a vector file .it is no {suffix}"):
            ia.open_stack(f"{tmp_path}/*.unw.tif", wavelength=0.05, area=str(path))
    assert not asked
    account("vector file that is OGR's VRT", "--area", 1, 0, "exit 2, nothing asked")
