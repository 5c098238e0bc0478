"""Words of the command line that stand for more than a number or a name."""

from insarray.model.errors import ArgumentError
from insarray.model.place import Area
from insarray.products.stacks.reference import LonLat, Reference


def parse_reference(text: str) -> Reference | None:
    """Reference from the words of the command line: auto, none, ROW,COL, ROW:ROW,COL:COL, lonlat:LON,LAT."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    try:
        if text.startswith("lonlat:"):
            lon, lat = (float(part) for part in text.removeprefix("lonlat:").split(","))
            return LonLat(lon, lat)
        first, second = text.split(",")
        if ":" in text:
            (top, bottom), (left, right) = ((int(v) for v in part.split(":")) for part in (first, second))
            return Area(top, bottom, left, right)
        return int(first), int(second)
    except ValueError:
        raise ArgumentError(
            f"reference: {text!r} is not auto, none, ROW,COL, ROW:ROW,COL:COL or lonlat:LON,LAT"
        ) from None


def parse_relaxation(option: str, text: str) -> tuple[str, float]:
    """Event and days from DATE,DAYS."""
    date, _, days = text.partition(",")
    try:
        return date, float(days)
    except ValueError:
        raise ArgumentError(f"--{option.removesuffix('s')}: {text!r} is not DATE,DAYS") from None
