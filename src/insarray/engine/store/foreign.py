"""Describe what was given in place of a store (file of another program, export, folder) and what to use instead."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from insarray.engine.store.files import StoreFiles
from insarray.engine.store.ledger import META
from insarray.io.files import names
from insarray.io.locations import is_url
from insarray.model.errors import InsarrayError, StoreError

_GIVE = "give the output of 'insarray invert', 'fit' or 'closure'"
_ORIGIN = "give the store that it was exported from"
_LISTED = 3  # stores of a folder listed in a message
_LOOKED = 100  # entries of a folder that are examined

_MINTPY = {
    "timeseries": "open it with insarray.open_series, or give it to 'insarray fit', 'plot', 'export' or 'report'",
    "ifgramStack": "open it with insarray.open_stack, or invert it first: insarray invert {url} OUT.zarr",
    "geometry": "give it to 'insarray fit' as --geometry",
    "velocity": "fit its series instead: insarray fit timeseries.h5 OUT.zarr",
}
"""Remedies for MintPy's files, by their FILE_TYPE."""


class Foreign(NamedTuple):
    """File or folder that is not a store.

    Parameters
    ----------
    kind
        What it is, with an article.
    remedy
        What to do instead.
    result
        Whether it is certainly a result, which need not be passed to the readers of interferograms.
    """

    kind: str
    remedy: str
    result: bool = False


def what_is(files: StoreFiles) -> Foreign:
    """Describe an existing path that is no store; never raises because of its content."""
    try:
        store = _store_around(files)
        if store is not None:
            return Foreign(f"a part of the store {store}", "give that", result=True)
        return _folder(files) if files.fs.isdir(files.root) else _file(files)
    except Exception:  # clients of servers raise various exceptions, and this only improves a message
        return Foreign("something that cannot be read", _GIVE)


def refuse_result(path: str) -> None:
    """Raise StoreError for a result that is not a store, where a store or interferograms are accepted.

    Otherwise every reader would report why it does not recognise interferograms.
    """
    if not is_url(path) and os.path.exists(path):
        found = what_is(StoreFiles(os.path.abspath(path)))
        if found.result:
            raise StoreError(f"{path}: is {found.kind}; {found.remedy}")


# -- folders --------------------------------------------------------------------------------------------------------


def _folder(files: StoreFiles) -> Foreign:
    entries = files.listed()
    if META in entries:
        return Foreign(f"a store without {META}/job.json", "remove it, and repeat the command that made it")
    if {"zarr.json", ".zgroup", ".zarray"} & set(entries):
        return _zarr(files, entries)
    if not entries:
        return Foreign("an empty folder", _GIVE)
    inside = list(_stores_in(files, entries))
    if inside:
        more = f" or {len(inside) - _LISTED} more" if len(inside) > _LISTED else ""
        return Foreign("a folder", f"give a store that is in it: {', '.join(inside[:_LISTED])}{more}")
    product = None if is_url(files.url) else _product(Path(files.root))
    if product is not None:
        return Foreign(f"a folder of the product {product}", _to_invert(files))
    return Foreign(f"a folder of {names(sorted(entries))}", _GIVE)


def _product(folder: Path) -> str | None:
    """Return the name of the product whose files are in a folder, or None."""
    from insarray.io.open import READERS  # slow to import, and only needed for this message

    for reader in READERS:
        with suppress(InsarrayError):  # recognised, but its files are damaged
            if reader.recognises(folder):
                return reader.name
    return None


def _zarr(files: StoreFiles, entries: list[str]) -> Foreign:
    if ".zarray" in entries or (files.read("zarr.json") or {}).get("node_type") == "array":
        return Foreign("a Zarr array that insarray has not made", _GIVE)
    if "unwrapped_phase" in entries:
        return Foreign("a Zarr group of interferograms", _to_invert(files))
    return Foreign("a Zarr group that insarray has not made", f"open it with xarray.open_zarr, or {_GIVE}")


def _stores_in(files: StoreFiles, entries: list[str]) -> Iterator[str]:
    for name in sorted(entries)[:_LOOKED]:
        if files.exists(f"{name}/{META}/job.json"):
            yield f"{files.url.rstrip('/')}/{name}"


def _store_around(files: StoreFiles) -> str | None:
    """Return the store that contains a file or folder, or None."""
    url = files.url.rstrip("/")
    while (parent := url.rpartition("/")[0]) and not parent.endswith(("/", ":")):
        if StoreFiles(parent).exists(f"{META}/job.json"):
            return parent
        url = parent
    return None


# -- files ----------------------------------------------------------------------------------------------------------


def _file(files: StoreFiles) -> Foreign:
    head = bytes(files.fs.cat_file(files.root, start=0, end=256))
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _hdf5(files)
    if head.startswith(b"CDF"):
        return Foreign("a NetCDF file", f"open it with xarray.open_dataset, or {_ORIGIN}")
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return Foreign("a GeoTIFF", f"{_ORIGIN}; interferograms are inverted first: insarray invert FILES... OUT.zarr")
    return Foreign("a text file" if _is_text(head) else "a file", _GIVE)


def _hdf5(files: StoreFiles) -> Foreign:
    from insarray.io.layers.hdf5 import opened
    from insarray.io.readers.mintpy import attributes_of

    with opened(files.url if not files.local else files.root) as file:
        attributes, listed = attributes_of(file), set(file)
    kind = attributes.get("FILE_TYPE")
    if kind is not None:
        remedy = _MINTPY.get(kind, f"{_GIVE}; of MintPy's results a series can be opened: timeseries.h5")
        return Foreign(f"a file of MintPy ({kind})", remedy.format(url=files.url), result=kind != "ifgramStack")
    if "unwrapped_phase" in listed:
        return Foreign("a NetCDF file of interferograms", _to_invert(files))
    if attributes.get("source", "").startswith("insarray"):
        remedy = f"{_ORIGIN}, or open it with insarray.open"
        return Foreign("a NetCDF file exported from a store", remedy, result=True)
    return Foreign(
        f"an HDF5 or NetCDF file of {names(sorted(listed))}", f"{_GIVE}, or open it with xarray.open_dataset"
    )


def _to_invert(files: StoreFiles) -> str:
    return f"open it with insarray.open_stack, or invert it first: insarray invert {files.url} OUT.zarr"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        text = head[: error.start].decode() if error.start > len(head) - 4 else "\0"
    return bool(text) and all(letter.isprintable() or letter.isspace() for letter in text)
