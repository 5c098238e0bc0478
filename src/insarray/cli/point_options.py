"""Groups of options of commands on wrapped phases: points, arcs, tiles."""

from insarray.cli.options import Files
from insarray.cli.typed import Options, Range, flag, option
from insarray.model import choices


class ReadingWrapped(Files):
    """Reading the wrapped phases."""

    baselines: str | None = option("Perpendicular baselines: table date,bperp_m.", None, "CSV", was="baseline-csv")
    temporal_coherence_file: str | None = option("Default: the one in the folder.", None, "RASTER")
    amplitude_dispersion_file: str | None = option("Default: the one in the folder.", None, "RASTER")


class Points(Options):
    """Selecting points."""

    min_temporal_coherence: float | None = option(
        "Points of at least this temporal coherence.", None, "G", limits=(0, 1), was="temporal-coherence"
    )
    max_amplitude_dispersion: float | None = option(
        "Points of at most this amplitude dispersion.", None, "D", limits=(0, 1), was="amplitude-dispersion"
    )
    mask: str | None = option("Only where this raster is neither 0 nor no-data.", None, "RASTER")


class Arcs(Options):
    """Estimating arcs (links)."""

    network: choices.LinkNetwork = option("Network of arcs between the points.", "both")
    neighbours: int = option("Number of nearest points to which each point is connected.", 16, "N", limits=(1, None))
    max_length: float | None = option("Largest length of an arc.", None, "M", above=0)
    method: choices.LinkMethod = option("published: grid search, arcs weighted by coherence.", "insarray")


class Ranges(Options):
    """Search ranges; STEP only with --method published."""

    velocity_range: tuple[float, ...] = option(
        "Velocity differences of arcs, mm/yr.", (-60.0, 60.0), "MIN MAX [STEP]", kind=Range()
    )
    height_error_range: tuple[float, ...] | None = option(
        "Height error (DEM error) differences of arcs, m; default: -60 60 with baselines; without, none is estimated.",
        None, "MIN MAX [STEP]", kind=Range(),
    )  # fmt: skip


class Tiling(Options):
    """Tiles."""

    tile: int = option("Size of a tile, pixels; memory grows with it.", 256, "N", limits=(32, None))
    overlap: int = option("Overlap of neighbouring tiles, pixels.", 32, "N", limits=(8, None))
    fill: bool = flag("Unwrap the pixels between the points, too, with the cycles of the nearest point.")


class Unwrapping(Options):
    """Pairs, points, and search ranges."""

    network: str = option(
        "Pairs of the output: single (all with the first date) | hop3 (with the next three) | PAIR,PAIR,...",
        "single",
        "PAIRS",
    )
    min_temporal_coherence: float | None = option(
        "Points of at least this temporal coherence.", 0.6, "G", limits=(0, 1)
    )
    max_amplitude_dispersion: float | None = option(
        "Points of at most this amplitude dispersion.", None, "D", limits=(0, 1)
    )
    mask: str | None = option("Only where this raster is neither 0 nor no-data.", None, "RASTER")
    velocity_range: tuple[float, ...] = option(
        "Velocity differences of arcs, mm/yr.", (-60.0, 60.0), "MIN MAX", kind=Range()
    )
    height_error_range: tuple[float, ...] | None = option(
        "Height error (DEM error) differences of arcs, m; default: -60 60 with baselines; without, none is estimated.",
        None, "MIN MAX", kind=Range(),
    )  # fmt: skip
    neighbours: int = option("Nearest points that each point is connected to.", 16, "N", limits=(1, None))
    model: bool = flag("Guide the unwrapping by velocity and DEM error of the points.", default=True)
    geotiffs: str | None = option(
        "Folder: write a GeoTIFF of each pair and the maps of the model, too; with --restart replace them.",
        None,
        "PATH",
    )
