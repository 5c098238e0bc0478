"""Groups of options of commands that write or show what is stored."""

from insarray.cli.typed import LonLats, Options, Range, flag, option


class Replacing(Options):
    """Existing files."""

    overwrite: bool = flag("Replace existing files.")


class Parts(Options):
    """Parts of a result."""

    area: str | None = option(
        "Only this part: W,S,E,N (degrees) | LEFT,BOTTOM,RIGHT,TOP@EPSG:CODE | rows:ROW:ROW,COL:COL | vector file.",
        None, "WHERE",
    )  # fmt: skip
    every: int = option("For tables: every n-th row and column, or point.", 1, "N", limits=(1, None))
    polygons: str | None = option("For tables: only pixels in the polygons of a vector file.", None, "FILE")


class Viewing(Replacing):
    """Page."""

    static: str | None = option(
        "Write page and data to a folder for any web server, instead of showing the page.", None, "FOLDER"
    )
    port: int = option("Port on this machine; 0: any free port.", 0, "N", limits=(0, 65535))
    browser: bool = flag("Open the page in the browser.", default=True)
    gnss: tuple[str, ...] = option(
        "Comparison with stations, of insarray gnss --out; one for each STORE, in their order.", (), "FILE"
    )
    basemap: str | None = option(
        "Tiles of a base map, which the browser then asks for: an address with {z}, {x} and {y}.", None, "URL"
    )


class Drawing(Options):
    """Plotting."""

    variable: str | None = option(
        "For map; for multiples, default displacement; for points, profile and compare, default velocity.", None, "NAME"
    )
    date: str | None = option("For map, points, profile and compare; default: the last.", None, "DATE")
    dates: tuple[str, ...] = option("For multiples, dates or pairs; default: twelve.", (), "DATE")
    limits: tuple[float, ...] | None = option(
        "Colour limits, in the units of the colour bar.", None, "MIN MAX", kind=Range()
    )
    row: int | None = option("For point.")
    col: int | None = option("For point.")
    lon: float | None = option("For point, WGS 84 degrees.")
    lat: float | None = option("For point, WGS 84 degrees.")
    lonlat: tuple[float, ...] | None = option(
        "For profile: both ends of the line.", None, "LON LAT LON LAT", kind=LonLats()
    )
    width: float = option("For profile: width of the swath; 0: the line alone.", 0.0, "M", limits=(0, None))
    other: str | None = option("For compare: the second result.", None, "STORE", names=("--with",))
