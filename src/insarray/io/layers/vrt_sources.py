"""Check VRT files for GDAL: only known elements, and only rasters in permitted folders as sources.

GDAL opens what a VRT names, by any driver and over the network, and parses XML differently from Python. It is therefore
not given the file but the checked text, in which VRT files among the sources are replaced by their own text.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from insarray.io.given import require_given
from insarray.io.layers.hdf5 import require_own_values
from insarray.io.sidecars import read_xml
from insarray.model.errors import FileError

_DEPTH = 4  # nesting depth of VRT files
_MOST_SOURCES = 20_000
_REMEDY = "make it again, or bring the raster to GeoTIFF with gdal_translate"
_SOURCES = {"sourcefilename", "sourcedataset"}
_BANDS = {"vrtsourcedrasterband", "vrtrawrasterband", "vrtderivedrasterband", "vrtwarpedrasterband"}


def _words(text: str) -> set[str]:
    return set(text.split())


_ELEMENTS = _SOURCES | _words("""
    vrtdataset srs geotransform gcplist gcp metadata mdi blockxsize blockysize overviewlist
    vrtrasterband description unittype offset scale nodatavalue hidenodatavalue colorinterp colortable entry
    categorynames category histograms histitem histmin histmax bucketcount includeoutofrange approximate histcounts
    overview maskband imageoffset pixeloffset lineoffset byteorder
    simplesource complexsource averagedsource kernelfilteredsource nodatafromcomplexsource
    sourceband sourceproperties srcrect dstrect nodata usemaskband colortablecomponent
    scaleoffset scaleratio lut exponent srcmin srcmax dstmin dstmax clamp kernel size coefs
    pixelfunctiontype pixelfunctionlanguage pixelfunctionarguments sourcetransfertype bufferradius skipnondatapixels
    gdalwarpoptions warpmemorylimit resamplealg workingdatatype options option transformer approxtransformer maxerror
    basetransformer genimgprojtransformer srcgeotransform srcinvgeotransform dstgeotransform dstinvgeotransform
    reprojecttransformer reprojectiontransformer sourcesrs targetsrs bandlist bandmapping
    srcnodatareal srcnodataimag dstnodatareal dstnodataimag
""")
_ATTRIBUTES = _words("""
    rasterxsize rasterysize blockxsize blockysize subclass datatype band relativetovrt shared domain key format name
    dataaxistosrsaxismapping coordinateepoch projection id pixel line x y z c1 c2 c3 c4 xoff yoff xsize ysize
    resampling src dst normalized
""")
_HARMLESS_OPTIONS = _words(
    "init_dest num_threads unified_src_nodata sample_grid sample_steps source_extra error_out_if_empty_source_window "
    "skip_nosource write_flush optimize_size streamable_output area_of_interest center_long"
)
_HDF5 = re.compile(r'(HDF5|NETCDF):"?([^":]+)"?(?::([^"<>]*))?', re.IGNORECASE)
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OF_HDF5 = (b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05")
_ERDAS = b"EHFA"
_LOOKED = 2000  # bytes; GDAL examines 1024
_TEXT = bytes(range(32, 127)) + b"\t\n\r\f"


@dataclass
class Checked:
    """VRT text for GDAL, and the real paths of the files that it reads."""

    text: str
    files: list[str] = field(default_factory=list)


def checked_vrt(vrt: Path, folders: Sequence[str]) -> Checked:
    """Return the checked text that replaces a VRT file.

    Parameters
    ----------
    vrt
        The VRT file.
    folders
        Folders, besides its own, that may contain its sources.

    Raises
    ------
    FileError
        If it is not a VRT, has an element that is not known to be harmless, or a source that is missing, lies
        elsewhere, or is not a raster.
    """
    found = Checked("")
    own = os.path.dirname(os.path.realpath(vrt)), os.path.realpath(vrt.parent)
    found.text = _text(vrt, (*own, *folders), _DEPTH, found.files)
    return found


def require_known_companions(path: str | Path) -> None:
    """Check files beside a raster that GDAL opens by content: .msk, .ovr, .aux.xml.

    Raises
    ------
    FileError
        If a mask or overview file is not a raster, or names another file.
    """
    for name in (f"{path}.msk", f"{path}.msk.ovr", f"{path}.ovr", f"{path}.aux"):
        if os.path.lexists(name) and not _start(name).startswith((*_TIFF, _ERDAS)):
            raise FileError(f"{name}: is no GeoTIFF, which masks and overviews are; remove it, or make it again")
    for name in (f"{path}.aux.xml", f"{path}.msk.aux.xml", f"{path}.ovr.aux.xml"):
        if os.path.lexists(name):
            root = read_xml(Path(name), "remove it, or make it again")
            if any("OVERVIEW_FILE" in value.upper() for one in root.iter() for value in one.attrib.values()):
                raise FileError(f"{name}: names a file of overviews; remove it, or make it again")


def require_unchanged(files: Iterable[str]) -> None:
    """Check before a read that no source has been replaced by a link or by text that GDAL would follow.

    Raises
    ------
    FileError
        If one has been.
    """
    for name in files:
        if os.path.realpath(name) != name:
            raise FileError(f"{name}: has become a link since it was opened; open the stack again")


# -- elements -------------------------------------------------------------------------------------------------------


def _text(vrt: Path, folders: Sequence[str], depth: int, files: list[str]) -> str:
    root = read_xml(vrt, _REMEDY)
    if root.tag != "VRTDataset":
        raise FileError(f"{vrt}: is no VRT, but {root.tag[:40]!r}; {_REMEDY}")
    if depth == 0:
        raise FileError(f"{vrt}: is the source of a VRT of a VRT of a VRT; {_REMEDY}")
    for element in root.iter():
        _require_known(vrt, element)
    _leave_out_domains(root)
    raw = _raw_names(root)
    for element in [one for one in root.iter() if one.tag.lower() in _SOURCES]:
        _replace(vrt, element, folders, depth, files, raw=element in raw)
    return ElementTree.tostring(root, encoding="unicode")


def _require_known(vrt: Path, element: ElementTree.Element) -> None:
    """Raise FileError for elements, attributes or band types that may do more than name pixels (case-insensitive)."""
    tag, attributes = element.tag.lower(), {name.lower(): value for name, value in element.attrib.items()}
    unknown = {tag} - _ELEMENTS or (set(attributes) - _ATTRIBUTES if tag != "pixelfunctionarguments" else set())
    if unknown or len(attributes) < len(element.attrib):
        raise FileError(f"{vrt}: has {min(unknown | {tag})!r}, which insarray does not let a VRT have; {_REMEDY}")
    kind = attributes.get("subclass", "vrtwarpeddataset" if tag == "vrtdataset" else "vrtsourcedrasterband").lower()
    if kind != "vrtwarpeddataset" if tag == "vrtdataset" else kind not in _BANDS:
        raise FileError(f"{vrt}: is of the kind {kind!r}, which insarray does not open; {_REMEDY}")
    if tag == "pixelfunctionlanguage" and (element.text or "").strip().lower() != "c":
        raise FileError(
            f"{vrt}: computes its pixels with {(element.text or '')[:20]!r} code, which is not run; {_REMEDY}"
        )
    if tag == "option" and set(map(str.lower, attributes.values())) - _HARMLESS_OPTIONS:
        raise FileError(
            f"{vrt}: warps with the option {' '.join(attributes.values())!r}, which is not known; {_REMEDY}"
        )


def _leave_out_domains(root: ElementTree.Element) -> None:
    """Remove metadata domains that make GDAL open other files: geolocation arrays, overviews and sources."""
    for parent in list(root.iter()):
        for child in list(parent):
            domains = [value for name, value in child.attrib.items() if name.lower() == "domain"]
            if child.tag.lower() == "metadata" and any(one.upper() not in ("", "IMAGE_STRUCTURE") for one in domains):
                parent.remove(child)


def _raw_names(root: ElementTree.Element) -> set[ElementTree.Element]:
    """Return the elements that name raw files, which are read without a driver."""
    raw: set[ElementTree.Element] = set()
    for band in root.iter():
        if "vrtrawrasterband" in (value.lower() for name, value in band.attrib.items() if name.lower() == "subclass"):
            raw |= {child for child in band if child.tag.lower() == "sourcefilename"}
    return raw


# -- sources --------------------------------------------------------------------------------------------------------


def _replace(
    vrt: Path, element: ElementTree.Element, folders: Sequence[str], depth: int, files: list[str], *, raw: bool
) -> None:
    """Replace the name of a source by its real path or its own text."""
    relative = any(name.lower() == "relativetovrt" and value.strip() == "1" for name, value in element.attrib.items())
    name = (element.text or "").strip()
    of_hdf5 = None if raw else _HDF5.fullmatch(name)
    path = of_hdf5[2] if of_hdf5 else name
    if not path or path.lower().startswith("/vsi") or "://" in path or "<" in path or '"' in path or len(element):
        raise FileError(f"{vrt}: its source {name[:60]!r} is no file of this machine; {_REMEDY}")
    # resolve links to a VRT before its sources
    place = os.path.join(os.path.dirname(os.path.realpath(vrt)), path) if relative else path
    if not os.path.isabs(place):
        raise FileError(
            f'{vrt}: its source {name[:60]!r} is relative to nothing; write relativeToVRT="1", or its whole path'
        )
    real = require_given(place, folders, f"{vrt}: reads")
    if not os.path.isfile(real):
        raise FileError(f"{vrt}: its source {name[:200]} is missing; fetch it, or make it again")
    files.append(real)
    if len(files) > _MOST_SOURCES:
        raise FileError(f"{vrt}: has more than {_MOST_SOURCES} sources; {_REMEDY}")
    element.text = real
    if not raw:
        element.text = _source_text(vrt, real, of_hdf5, folders, depth, files)
    element.attrib.clear()
    element.set("relativeToVRT", "0")


def _source_text(
    vrt: Path, real: str, of_hdf5: re.Match[str] | None, folders: Sequence[str], depth: int, files: list[str]
) -> str:
    """Return what GDAL opens for a source, whose content must be a raster that names no other files."""
    start = _start(real)
    if start.startswith(_OF_HDF5):
        require_own_values(real)
        return f'{of_hdf5[1].upper()}:"{real}":{of_hdf5[3]}' if of_hdf5 and of_hdf5[3] else real
    if b"<VRTDataset" in start and of_hdf5 is None:
        return _text(Path(real), folders, depth - 1, files)
    known = start.startswith((*_TIFF, _ERDAS)) or (_has_header(real) and start.strip(_TEXT) != b"")
    if of_hdf5 is not None or not known:
        raise FileError(
            f"{vrt}: its source {os.path.basename(real)} is no GeoTIFF, HDF5, NetCDF, ENVI or Erdas raster; {_REMEDY}"
        )
    require_known_companions(real)
    return real


def _has_header(path: str) -> bool:
    return os.path.isfile(f"{os.path.splitext(path)[0]}.hdr") or os.path.isfile(f"{path}.hdr")


def _start(path: str) -> bytes:
    try:
        with open(path, "rb") as content:
            return content.read(_LOOKED)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from error
