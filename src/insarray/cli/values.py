"""Parse the reference given on the command line: an area, a pixel or a position."""

from insarray.model.errors import ArgumentError
from insarray.model.numbers import plain_number, plain_whole
from insarray.model.place import Area
from insarray.products.stacks.reference import LonLat, Reference


def parse_reference(text: str) -> Reference | None:
    """Parse a reference: auto, none, ROW,COL, ROW:ROW,COL:COL, lonlat:LON,LAT."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    try:
        if text.startswith("lonlat:"):
            lon, lat = (plain_number(part) for part in text.removeprefix("lonlat:").split(","))
            return LonLat(lon, lat)
        first, second = text.split(",")
        if ":" in text:
            (top, bottom), (left, right) = ((plain_whole(v) for v in part.split(":")) for part in (first, second))
            return Area(top, bottom, left, right)
        return plain_whole(first), plain_whole(second)
    except ValueError:
        raise ArgumentError(
            f"reference: {text!r} is not auto, none, ROW,COL, ROW:ROW,COL:COL or lonlat:LON,LAT"
        ) from None
