"""Helpers of all plots: figures and axes, date axes, pixel of a point, files."""

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from insarray.export.files import complete_file
from insarray.model.errors import ArgumentError
from insarray.model.grid import Grid
from insarray.model.secrets import shown
from insarray.model.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NOTEBOOK_DPI = 80


def save(picture: "Axes | Figure", path: str | Path, *, dpi: int = 200) -> Path:
    """Write a picture in the format of the file suffix (png, pdf, svg, ...), replacing an existing file.

    The file appears under its name when it is complete. Control characters of names in the picture are escaped.

    Raises
    ------
    ArgumentError
        If matplotlib does not support the suffix.
    StoreError
        If the file cannot be written.

    See Also
    --------
    insarray.plot.map : plot a map of any variable.
    insarray.plot.velocity : plot a map of the velocity.

    Examples
    --------
    >>> import insarray as ia
    >>> stack, truth = ia.simulate_stack(shape=(20, 24), n_dates=6, missing=0, water=False)
    >>> ia.plot.save(ia.plot.network(stack), "network.png").name
    'network.png'
    """
    import matplotlib as mpl
    from matplotlib.axes import Axes

    figure = cast("Figure", picture.figure) if isinstance(picture, Axes) else picture
    target = require_format(path)
    _escape_text(figure)
    with (
        complete_file(target, overwrite=True) as final,
        mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "none"}),  # keep text as text for publishers
    ):
        figure.savefig(final, dpi=dpi)
    return target


def _escape_text(figure: "Figure") -> None:
    """Escape names of stations, points and files: no font has control characters, and SVG must not contain them."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_text(printable(shown(text.get_text())))


def require_format(path: str | Path) -> Path:
    """Return `path` if its suffix is a supported format; else raise an ArgumentError that lists the formats."""
    from matplotlib.figure import Figure

    target, formats = Path(path), Figure().canvas.get_supported_filetypes()
    if target.suffix[1:].lower() not in formats:
        raise ArgumentError(f"{target}: a picture cannot have this suffix; use one of {', '.join(formats)}")
    return target


def new_axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """Given axes, or those of a new figure that belongs to no window and no global state, and that notebooks show."""
    if ax is not None:
        return ax
    return new_figure(None, size).add_subplot(axes_class=_classes()[0])


def new_figure(figure: "Figure | None", size: tuple[float, float]) -> "Figure":
    """Given figure, or a new one that belongs to no window and no global state, and that notebooks show."""
    return _classes()[1](figsize=size, dpi=120, layout="compressed") if figure is None else figure


@cache
def _classes() -> tuple[type["Axes"], type["Figure"]]:
    """Axes and figures that are pictures where a notebook shows them, sharp on screens of twice the resolution, too."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    def picture(figure: "Figure") -> tuple[bytes, dict[str, int]]:
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=2 * _NOTEBOOK_DPI)
        wide, high = (round(float(inches) * _NOTEBOOK_DPI) for inches in figure.get_size_inches())
        return content.getvalue(), {"width": wide, "height": high}

    class ShownAxes(Axes):
        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            return picture(cast("Figure", self.figure))

    class ShownFigure(Figure):
        def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
            return picture(self)

    return ShownAxes, ShownFigure


def date_axis(times: np.ndarray, ax: "Axes") -> np.ndarray:
    """Return `times` as day numbers of matplotlib, and format the x axis of `ax` as dates."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    return np.asarray(date2num(times))  # type: ignore[no-untyped-call]


def add_legend(ax: "Axes", **options: Any) -> None:
    """Add a legend in the corner of `ax` with the fewest drawn points.

    matplotlib's "best" searches while it draws, and warns if that takes more than a second of a busy machine.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    drawn = [line.get_xydata() for line in ax.lines if line.get_transform() == ax.transData]
    drawn += [np.vstack(lines.get_segments()) for lines in ax.collections if isinstance(lines, LineCollection)]
    drawn += [bar.get_bbox().corners() for bar in ax.patches if isinstance(bar, Rectangle)]
    points = ax.transData.transform(np.vstack([np.empty((0, 2)), *(np.asarray(some, np.float64) for some in drawn)]))
    across, up = ax.transAxes.inverted().transform(points).T
    corners: dict[Any, np.integer] = {
        f"{row} {side}": np.sum(beside & along)
        for row, along in (("upper", (up > 0.65) & (up <= 1)), ("lower", (up < 0.35) & (up >= 0)))
        for side, beside in (("right", (across > 0.6) & (across <= 1)), ("left", (across < 0.4) & (across >= 0)))
    }
    ax.legend(fontsize="small", loc=min(corners, key=corners.__getitem__), **options)


def pixel_of(
    grid: Grid, row: int | None = None, col: int | None = None, lon: float | None = None, lat: float | None = None
) -> tuple[int, int]:
    """Return (row, col) inside the grid, from row and column or from longitude and latitude."""
    if row is not None and col is not None and lon is None and lat is None:
        if not (0 <= row < grid.height and 0 <= col < grid.width):
            raise ArgumentError(f"point: row {row}, column {col} is outside {grid.height} x {grid.width}")
        return row, col
    if lon is not None and lat is not None and row is None and col is None:
        return grid.index(lon, lat)
    raise ArgumentError("point: give either row and col, or lon and lat")
