"""Check the sources of VRT files in a product, as GDAL opens any file that a VRT names."""

import math
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from insarray.io.sidecars import read_keys, read_xml
from insarray.model.errors import FileError

_REMEDY = "make it again"
_DEPTH = 4  # nesting depth of VRT files
_BYTES = {
    **dict.fromkeys(("Byte", "Int8"), 1),
    **dict.fromkeys(("Int16", "UInt16", "Float16"), 2),
    **dict.fromkeys(("Int32", "UInt32", "Float32", "CInt16", "CFloat16"), 4),
    **dict.fromkeys(("Int64", "UInt64", "Float64", "CInt32", "CFloat32"), 8),
    "CFloat64": 16,
}
_ENVI_BYTES = {"1": 1, "2": 2, "3": 4, "4": 4, "5": 8, "6": 8, "9": 16, "12": 2, "13": 4, "14": 8, "15": 8}


def vrt_shape(vrt: Path) -> tuple[int, int]:
    """Return (rows, columns) of a VRT file without opening its sources.

    Raises
    ------
    FileError
        If it is not a VRT.
    """
    root = _root(vrt)
    return _whole(vrt, root, "rasterYSize"), _whole(vrt, root, "rasterXSize")


def require_own_sources(vrt: Path, product: Path) -> None:
    """Check that a VRT reads only complete files of its product.

    Parameters
    ----------
    vrt
        The VRT file.
    product
        Folder that must contain all sources.

    Raises
    ------
    FileError
        If the file or a source is missing, not a raster or truncated, or a source lies elsewhere.
    """
    _require(vrt, product.resolve(), _DEPTH)


def _require(vrt: Path, product: Path, depth: int) -> None:
    root = _root(vrt)
    if depth == 0:
        raise FileError(f"{vrt}: is the source of a VRT of a VRT of a VRT; {_REMEDY}")
    if root.get("subClass") is not None or root.find(".//SourceDataset") is not None:
        raise FileError(f"{vrt}: is a warped or processed VRT, which the product has none of; {_REMEDY}")
    for element in root.iter("SourceFilename"):
        source = _source(vrt, element, product)
        kind = _content(source)
        if kind == "VRT":
            _require(source, product, depth - 1)
        elif kind is not None:
            raise FileError(f"{vrt}: its source {source.name} is {kind}, not a raster; {_REMEDY}")
    for band in root.iter("VRTRasterBand"):
        if band.get("subClass", "VRTSourcedRasterBand") not in ("VRTSourcedRasterBand", "VRTRawRasterBand"):
            raise FileError(f"{vrt}: has a band of the kind {band.get('subClass')}, which the product has none of")
    _require_sizes(vrt, root, partial(_source, vrt, product=product))


def require_whole_sources(vrt: Path, depth: int = _DEPTH) -> None:
    """Check that the raw files of a VRT have the size that it states, as GDAL reads zeros beyond their end.

    Sources that are not local files are left to GDAL, which fails if they are missing.

    Raises
    ------
    FileError
        If one is truncated.
    """
    root = _root(vrt)

    def there(element: ElementTree.Element) -> Path | None:
        name = (element.text or "").strip()
        source = vrt.parent / name if element.get("relativeToVRT") == "1" else Path(name)
        return source if source.is_file() else None

    _require_sizes(vrt, root, there)
    for element in root.iter("SourceFilename"):
        source = there(element)
        if source is not None and depth > 0 and _content(source) == "VRT":
            require_whole_sources(source, depth - 1)


_Resolve = Callable[[ElementTree.Element], Path | None]


def _require_sizes(vrt: Path, root: ElementTree.Element, resolve: _Resolve) -> None:
    """Raise FileError if a raw source is shorter than required."""
    needed: dict[Path, int] = {}
    for band in root.iter("VRTRasterBand"):
        for source, least in _needed(vrt, root, band, resolve):
            needed[source] = max(needed.get(source, 0), least)
    for source, least in needed.items():
        found = os.path.getsize(source)
        if found < least:
            raise FileError(f"{source}: has {found} of {least} bytes, it is truncated; replace it")


def _root(vrt: Path) -> ElementTree.Element:
    root = read_xml(vrt, _REMEDY)
    if root.tag != "VRTDataset":
        raise FileError(f"{vrt}: is no VRT, but {root.tag}; {_REMEDY}")
    return root


def _source(vrt: Path, element: ElementTree.Element, product: Path) -> Path:
    """Return the file of a source, which must be relative to the VRT and lie in the product."""
    name = (element.text or "").strip()
    source = (vrt.parent / name).resolve()
    if element.get("relativeToVRT") != "1" or Path(name).is_absolute() or not source.is_relative_to(product):
        raise FileError(
            f"{vrt}: its source {name!r} is not a file of {product.name}, given relative to the VRT; "
            "a VRT that points elsewhere is not opened"
        )
    if not source.is_file():
        raise FileError(f"{vrt}: its source {name} is missing; fetch it, or make it again")
    return source


def _content(source: Path) -> str | None:
    """Return the kind of text file that GDAL may interpret; None for pixels."""
    with source.open("rb") as content:
        start = content.read(2000)
    if b"<VRTDataset" in start:
        return "VRT"
    return "XML" if start.lstrip()[:1] == b"<" and b"\0" not in start else None


def _needed(
    vrt: Path, root: ElementTree.Element, band: ElementTree.Element, resolve: _Resolve
) -> Iterable[tuple[Path, int]]:
    """Yield raw pixel sources without a header, and their least size, as GDAL reads zeros beyond the end."""
    size = _item_size(vrt, band.get("dataType", "Byte"))
    if band.get("subClass") == "VRTRawRasterBand":
        rows, cols = _whole(vrt, root, "rasterYSize"), _whole(vrt, root, "rasterXSize")
        start, pixel = _child(vrt, band, "ImageOffset", 0), _child(vrt, band, "PixelOffset", size)
        line = _child(vrt, band, "LineOffset", pixel * cols)
        for element in band.iter("SourceFilename"):
            if (source := resolve(element)) is not None:
                yield source, start + (rows - 1) * line + (cols - 1) * pixel + size
        return
    for inner in band:
        named, properties = inner.find("SourceFilename"), inner.find("SourceProperties")
        source = None if named is None else resolve(named)
        headers = [] if source is None else [source.with_suffix(".hdr"), source.with_name(f"{source.name}.hdr")]
        header = next((path for path in headers if path.is_file()), None)
        if source is None or header is None:
            continue
        if properties is None:
            yield source, _bytes_of_envi(header)
        else:
            pixels = _whole(vrt, properties, "RasterYSize") * _whole(vrt, properties, "RasterXSize")
            number = _child(vrt, inner, "SourceBand", 1)  # interleaved or not, the last of this many bands ends here
            yield source, pixels * number * _item_size(vrt, properties.get("DataType", "Byte"))


def _bytes_of_envi(header: Path) -> int:
    """Return the size in bytes of the raw file of an ENVI header; 0 if it does not state it."""
    said = {name.lower(): value for name, value in read_keys(header, "=").items()}
    sizes = [said.get(name, "0") for name in ("samples", "lines", "bands")]
    if said.get("file compression", "0") != "0" or not all(size.isdigit() for size in sizes):
        return 0
    offset = said.get("header offset", "0")
    return math.prod(map(int, sizes)) * _ENVI_BYTES.get(said.get("data type", ""), 0) + (
        int(offset) if offset.isdigit() else 0
    )


def _item_size(vrt: Path, kind: str) -> int:
    if kind not in _BYTES:
        raise FileError(f"{vrt}: has a band of the type {kind}; {_REMEDY}")
    return _BYTES[kind]


def _child(vrt: Path, parent: ElementTree.Element, name: str, default: int) -> int:
    found = parent.find(name)
    return default if found is None else _number(vrt, name, found.text)


def _whole(vrt: Path, element: ElementTree.Element, name: str) -> int:
    return _number(vrt, name, element.get(name))


def _number(vrt: Path, name: str, text: str | None) -> int:
    if text is None or not text.strip().isdigit():
        raise FileError(f"{vrt}: its {name} is {text!r}, not a whole number; {_REMEDY}")
    return int(text)
