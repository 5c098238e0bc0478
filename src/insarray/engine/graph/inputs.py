"""Find the input files, folders and URLs of a lazy dataset in its graph; an output must not be one of them.

Tasks hold their inputs as text or paths: in the lazy arrays of our readers, the file managers of xarray, and Zarr
stores. They are found by traversing the objects of the graph, as pickling them for a worker would.
"""

import copyreg
import html
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.highlevelgraph import Layer, MaterializedLayer

from insarray.io.locations import is_url, local, refuse_chain
from insarray.model.errors import ArgumentError

_ATOMS = frozenset((int, float, bool, type(None), bytes, type, slice))
_PLAIN = (int, float, complex, bytes, bytearray, type(None), type, ModuleType, np.generic, np.dtype, slice, range)
_FOREIGN = (
    "threading",
    "_thread",
    "logging",
    "weakref",
    "asyncio",
    "distributed",
    "fsspec",
    "h5py",
    "rasterio",
    "pyproj",
)
"""Modules whose objects hold no input but lead to files that other datasets have open."""
_ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "https": "http"}
_GDAL_URLS = {"vsis3": "s3", "vsigs": "gs", "vsicurl": "", "vsiaz": "az"}
_VRT_BYTES = 16 * 2**20
_VRT_SOURCE = re.compile(r"<Source(?:Filename|Dataset|Band)?\b([^>]*)>([^<]+)<")

Place = tuple[int, int]
"""Device and inode number of a file or folder, the same for all its names."""


def refuse_inputs(output: str | os.PathLike[str], *sources: Any) -> list[str]:
    """Return paths and URLs of the inputs; raise ArgumentError if `output` is one, contains one, or lies in one.

    A chained URL as an output is refused as well.

    Parameters
    ----------
    output
        Path or URL of the store or file to be written.
    sources
        Datasets or arrays to be written, still lazy: inputs of data in memory are known only from the encoding. Also
        paths of other inputs; anything else is ignored.
    """
    text = local(str(output))
    refuse_chain(text, written=True)
    named = sorted(inputs_of(*sources))
    if is_url(text):
        _refuse_urls([name for name in named if is_url(name)], text)
    else:
        _refuse_files([name for name in named if not is_url(name)], os.path.abspath(os.path.expanduser(text)))
    return named


def inputs_of(*sources: Any) -> set[str]:
    """Return the absolute paths and URLs in `sources` and their graphs, including the sources of VRT files."""
    roots = [root for source in sources for root in _roots(source)]
    found = {place for text in _texts(roots) for place in _places(text)}
    return found | set(_vrt_sources(found))


def _roots(source: Any) -> list[Any]:
    if isinstance(source, xr.Dataset):
        variables = list(source.variables.values())
    elif isinstance(source, xr.DataArray):
        variables = [source.variable, *(coord.variable for coord in source.coords.values())]
    elif isinstance(source, str):
        return [source if is_url(source) else os.path.abspath(os.path.expanduser(local(source)))]
    else:
        return [source] if isinstance(source, os.PathLike) or hasattr(source, "fs") else []
    encodings = (source.encoding, *(variable.encoding for variable in variables))
    return [*(encoding.get("source") for encoding in encodings), *(variable._data for variable in variables)]


# -- objects of a graph ---------------------------------------------------------------------------------------------


def _texts(roots: list[Any]) -> set[str]:
    """Return all strings in the objects reachable from `roots`; some of them are paths."""
    texts: set[str] = set()
    seen: dict[int, Any] = {}  # by id; keeps temporary objects alive, as ids of deleted ones are reused
    stack = [roots]
    while stack:
        for item in _parts(stack.pop()):
            if type(item) is str:
                texts.add(item)
            elif type(item) not in _ATOMS and id(item) not in seen and not isinstance(item, _PLAIN):
                seen[id(item)] = item
                stack.append(item)
    return texts


def _parts(item: Any) -> Iterable[Any]:
    """Return the objects that an object consists of."""
    if isinstance(item, list | tuple | set | frozenset):
        return item
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    if isinstance(item, str):  # subclass of str
        return (str(item),)
    if isinstance(item, np.ndarray):
        return _of_array(item)
    if isinstance(item, da.Array):
        return list(item.dask.layers.values())
    if isinstance(item, Layer):
        if isinstance(item, MaterializedLayer):
            return item.mapping.values()
        return [value for name, value in vars(item).items() if not name.startswith("_cached")]
    if isinstance(item, partial):
        return item.func, item.args, item.keywords
    if isinstance(item, FunctionType):
        return item.__defaults__, item.__kwdefaults__, [_content(cell) for cell in item.__closure__ or ()]
    if isinstance(item, MethodType):
        return item.__self__, item.__func__
    if isinstance(item, BuiltinFunctionType):
        return (item.__self__,)
    return _of_object(item)


def _of_array(array: np.ndarray) -> Iterable[Any]:
    """Return the file of a memory-mapped array, the items of an object array, or the base of a view."""
    if isinstance(array, np.memmap):
        return (str(array.filename),)
    return array.ravel().tolist() if array.dtype.kind == "O" else (array.base,)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty cell
        return None


def _of_object(item: Any) -> Iterable[Any]:
    filesystem: Any = getattr(item, "fs", None)
    path = getattr(item, "path", None)
    if isinstance(path, str) and hasattr(filesystem, "unstrip_protocol"):  # a path or store based on fsspec
        return (filesystem.unstrip_protocol(path),)
    if isinstance(item, os.PathLike):
        return (os.path.abspath(os.fsdecode(item)),)
    if type(item).__module__.split(".")[0] in _FOREIGN:
        return ()
    try:
        state: tuple[Any, ...] = item.__reduce_ex__(4)[1:]  # as pickled for a worker
        return state
    except Exception:  # unpicklable objects raise many kinds of exceptions
        return _attributes(item)


def _attributes(item: Any) -> Iterable[Any]:
    slots: Iterable[str] = copyreg._slotnames(type(item))  # type: ignore[attr-defined]
    return [*getattr(item, "__dict__", {}).values(), *(getattr(item, name, None) for name in slots)]


# -- paths and URLs in text -----------------------------------------------------------------------------------------


def _places(text: str) -> Iterator[str]:
    """Yield the absolute paths and URLs that a text names, if any, including GDAL's notations."""
    if not 1 < len(text) < 4096 or "\n" in text or "\0" in text:
        return
    for part in text.split("::"):  # chained URLs
        virtual = re.match(r"/(vsi[a-z0-9_]+)/", part)
        if virtual and virtual[1] in _GDAL_URLS:
            protocol = _GDAL_URLS[virtual[1]]
            yield (f"{protocol}://" if protocol else "") + part[virtual.end() :]
        elif virtual:  # in an archive
            yield from _places(part[virtual.end() :])
        elif part[:5].lower() == "file:" or part[:8].lower() == "local://":
            yield os.path.abspath("/" + re.sub(r"^[a-z]+:/*", "", local(part), flags=re.IGNORECASE).lstrip("/"))
        elif is_url(part):
            yield part
        elif os.path.isabs(part):
            yield os.path.abspath(part)
        elif re.match(r"[A-Za-z0-9_]+:", part):  # subdataset of a file: HDF5:"/path"://name
            yield from (os.path.abspath(piece) for piece in re.split(r'[":]+', part) if os.path.exists(piece))
        elif ("/" in part or "." in part) and os.path.exists(part):
            yield os.path.abspath(part)


def _vrt_sources(paths: Iterable[str]) -> Iterator[str]:
    """Yield the source files of the VRT files among `paths`, recursively."""
    seen: set[str] = set()
    todo = [path for path in paths if path.lower().endswith(".vrt") and not is_url(path)]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        sources = set(_sources(path))
        yield from sources
        todo += [source for source in sources if source.lower().endswith(".vrt")]


def _sources(path: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_VRT_BYTES)
    except OSError:
        return
    for attributes, name in _VRT_SOURCE.findall(text):
        source = html.unescape(name).strip()
        relative = re.search(r"relativeToVRT\s*=\s*[\"']1", attributes)
        yield from _places(os.path.join(os.path.dirname(path), source) if relative else source)


# -- compare an output with the inputs ------------------------------------------------------------------------------


def _refuse_files(inputs: list[str], output: str) -> None:
    place = _place(output)
    around = _around(output)
    parents: dict[str, frozenset[Place]] = {}
    for path in inputs:
        own = _place(path)
        if path == output or (own is not None and own == place):
            raise ArgumentError(f"{output}: is an input of this job{_by_name(path, output)}; choose another output")
        if own in around and _is_store(path):
            raise ArgumentError(f"{output}: lies in the store {path}, an input of this job; choose another output")
        if place is None:
            continue
        folders = {os.path.dirname(path), os.path.dirname(os.path.realpath(path))}
        for folder in folders - parents.keys():
            parents[folder] = _around(os.path.join(folder, "x"))
        if any(place in parents[folder] for folder in folders) or _same_store(path, output):
            raise ArgumentError(f"{output}: holds {path}, an input of this job; choose another output")


def _by_name(path: str, output: str) -> str:
    return "" if path == output else f", {path}"


def _place(path: str) -> Place | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _around(path: str) -> frozenset[Place]:
    """Return the parent folders of a path, both as given and with symbolic links resolved."""
    folders = {str(folder) for name in (path, os.path.realpath(path)) for folder in Path(name).parents}
    return frozenset(place for place in map(_place, folders) if place is not None)


def _is_store(path: str) -> bool:
    """Return whether a folder is a Zarr group or array, which must not contain an output; other folders may."""
    return any(os.path.exists(os.path.join(path, name)) for name in ("zarr.json", ".zgroup", ".zarray", ".zmetadata"))


def _same_store(path: str, output: str) -> bool:
    """Return whether two folders are copies of a store that share their files by hard links."""
    files = [(os.path.join(path, name), os.path.join(output, name)) for name in ("_insarray/job.json", "zarr.json")]
    return any((own := _place(first)) is not None and own == _place(second) for first, second in files)


def _refuse_urls(inputs: list[str], output: str) -> None:
    target = _plain_url(output)
    for url in inputs:
        source = _plain_url(url)
        if source == target:
            raise ArgumentError(f"{output}: is an input of this job; choose another output")
        if target.startswith(f"{source}/"):
            raise ArgumentError(f"{output}: lies in an input of this job; choose another output")
        if source.startswith(f"{target}/"):
            raise ArgumentError(f"{output}: holds an input of this job; choose another output")


def _plain_url(url: str) -> str:
    """Return a URL in canonical form: one name per protocol, no user, no redundant slashes or dots."""
    protocol, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    inside = posixpath.normpath(f"/{path.split('?')[0]}").rstrip("/")
    return f"{_ALIASES.get(protocol.lower(), protocol.lower())}://{host.rpartition('@')[2]}{inside}"
