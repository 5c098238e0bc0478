"""What the commands do that turn a stored series, or a stack, into another: options to calls of the library."""

from collections.abc import Sequence
from typing import Any

import xarray as xr

from insarray.engine.store import Store, open_store
from insarray.faces.commands import _READING, _files, _refuse_input_as_output, _run
from insarray.faces.words import parse_reference
from insarray.io.open import open_stack
from insarray.model.errors import ArgumentError
from insarray.products.averages import Named, component_counts, temporal_average
from insarray.products.joining import join as join_series
from insarray.products.ramps import deramp as deramp_series
from insarray.products.rereference import rereference as rereference_series

_LABELS = "connected_component_labels"


def deramp(series: str, out: str, **options: Any) -> None:
    """Deramp a stored series."""
    _refuse_input_as_output([series], out)
    result = deramp_series(
        open_store(series), kind=options["kind"], mask=options["mask_raster"], robust=options["robust"]
    )
    _run(result, out, options)


def rereference(series: str, out: str, **options: Any) -> None:
    """Give a stored series another reference."""
    _refuse_input_as_output([series], out)
    place = None if options["reference"] is None else parse_reference(options["reference"])
    _run(rereference_series(open_store(series), date=options["date"], reference=place), out, options)  # type: ignore[arg-type]


def join(first: str, second: str, out: str, **options: Any) -> None:
    """Join two stored series."""
    _refuse_input_as_output([first, second], out)
    _run(join_series(open_store(first), open_store(second)), out, options)


def average(arguments: Sequence[str], **options: Any) -> None:
    """Average a layer of a stack or a stored series."""
    if len(arguments) < 2:
        raise ArgumentError("average: give the interferograms or a stored series and, last, the output store")
    *files, out = arguments
    _refuse_input_as_output(files, out)
    data, layer = _opened(files, options), options["layer"]
    if layer is None:
        layer = "displacement" if "displacement" in data else "coherence"
    statistics = options["statistics"]
    if layer == _LABELS:
        if statistics:
            raise ArgumentError(f"--statistic: {_LABELS} are counted, they have no {statistics[0]}; leave it out")
        result = component_counts(data)
    else:
        wanted: tuple[Named, ...] = statistics or ("mean",)
        parts = [temporal_average(data, layer=layer, statistic=name) for name in wanted]
        result = xr.merge(parts, combine_attrs="override").assign_attrs(statistic=" ".join(wanted))
    _run(result, out, options)


def _opened(files: list[str], options: dict[str, Any]) -> xr.Dataset:
    if len(files) == 1 and files[0].rstrip("/").endswith(".zarr") and Store(files[0]).job() is not None:
        return open_store(files[0])
    return open_stack(_files(files), block=options["block"], **{name: options[name] for name in _READING})
