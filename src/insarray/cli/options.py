"""Groups of options that several commands share: each is what one function of the library takes."""

from insarray.cli.typed import DateAndDays, Options, Range, argument, flag, option
from insarray.model.choices import (
    CorrectionMethod,
    Extent,
    Gap,
    LinkMethod,
    LinkNetwork,
    Norm,
    Sign,
    Uncertainty,
    Units,
    Weights,
)

_AREA = "Only this part: W,S,E,N (degrees) | LEFT,BOTTOM,RIGHT,TOP@EPSG:CODE | rows:ROW:ROW,COL:COL | vector file."
_REPEAT = "several by commas, or repeat the option."


class Reading(Options):
    """Reading the interferograms."""

    coherence: str | None = option("Coherence files, matched to the phase by their dates.", None, "GLOB")
    components: str | None = option("Connected component files, matched by their dates.", None, "GLOB")
    baselines: str | None = option("Table date,bperp_m or reference,secondary,bperp_m; metres.", None, "CSV")
    wavelength: float | None = option("Radar wavelength in metres.", None, "M")
    product: str | None = option("Reader to use instead of recognising the files.", None, "NAME")
    sign: Sign | None = option("Direction of motion that a positive value means.")
    units: Units | None = option("Unit of the files.")
    nodata: float | None = option("No-data value of the phase, if the files do not say.")
    dates: str | None = option("Pattern with two groups that finds the dates in the file names.", None, "REGEX")
    variable: str | None = option("Variable of a NetCDF or HDF5 file.", None, "NAME")
    extent: Extent | None = option("Pixels to use if the files cover different areas.")
    resample: bool = flag("Warp files of another CRS or pixel size while reading.")
    dem: str | None = option("Heights at which geometry cubes (ARIA, NISAR) are interpolated.", None, "RASTER")
    area: str | None = option(_AREA, None, "WHERE")
    block: int | None = option("Edge of the blocks in pixels.", None, "N", limits=(8, None))


class Selecting(Options):
    """Selecting pairs."""

    max_temporal_baseline: float | None = option("Leave out longer pairs.", None, "DAYS")
    max_perpendicular_baseline: float | None = option("Leave out pairs of a larger baseline.", None, "M")
    max_neighbours: int | None = option("Keep pairs to the next N dates.", None, "N")
    exclude_dates: tuple[str, ...] = option(f"Leave out these dates; {_REPEAT}", (), "DATE", was="exclude-date")
    exclude_pairs: tuple[str, ...] = option(f"Leave out these pairs; {_REPEAT}", (), "PAIR", was="exclude-pair")
    min_mean_coherence: float | None = option(
        "Leave out pairs of lower mean coherence, except those of the spanning tree.", None, "G"
    )


class Correcting(Options):
    """Correcting unwrapping errors."""

    correct_unwrapping: tuple[CorrectionMethod, ...] = option(
        "Add whole cycles: by loop closure, per pixel or connected component, or between components (bridging). "
        f"In this order; {_REPEAT}", ()
    )  # fmt: skip


class Masking(Options):
    """Masking samples."""

    min_coherence: float | None = option("Mask samples of lower coherence.", None, "G")
    mask_components: bool = flag("Mask samples of connected component 0.")
    mask: str | None = option("Mask pixels where this raster is 0 or has no data.", None, "RASTER")


class Criteria(Options):
    """Which pixels of the stored result."""

    min_temporal_coherence: float | None = option("Only pixels of at least this temporal coherence.", None, "G")
    max_residual_rms: float | None = option("Only pixels of at most this residual rms.", None, "RAD")
    exclude_flags: tuple[str, ...] = option(
        f"No pixels with these flags, such as dates_untied; {_REPEAT}", (), "NAME", was="exclude-flag"
    )


class Quality(Criteria):
    """Which pixels of the result."""

    min_dates: int | None = option("Only pixels observed at this many dates.", None, "N")
    mask: str | None = option("Only pixels where this raster is neither 0 nor without data.", None, "RASTER")


class Minimum(Options):
    """Fewest observations."""

    min_dates: int | None = option(
        "Fit only pixels observed at this many dates; default: a third of the dates, at least 5 (or half of them).",
        None, "N",
    )  # fmt: skip
    min_redundancy: int | None = option(
        "Fit only pixels with this many degrees of freedom; default: 3 (or a third of those of a complete pixel).",
        None, "N",
    )  # fmt: skip


class Referencing(Options):
    """Reference."""

    reference: str = option("auto | none | ROW,COL | ROW:ROW,COL:COL (area) | lonlat:LON,LAT", "auto", "WHERE")


class Pairs(Reading, Selecting, Correcting, Masking, Referencing):
    """Interferograms that a command reads, selects, masks and corrects."""

    files: tuple[str, ...] = argument("FILES")


class Weighting(Options):
    """Weights of pairs."""

    weights: Weights = option("How pairs are weighted, per pixel.", "none")
    looks: float | None = option("Independent looks of the coherence, for variance and fisher.")


class Inverting(Options):
    """Inversion."""

    norm: Norm = option(
        "Least squares; least absolute deviations, which are robust against wrong cycles; or Huber's norm.", "l2"
    )
    gap: Gap = option("Dates that no pair ties to the first: NaN, kept as subsets, or tied by an assumption.", "nan")
    tolerance: float | None = option("l1, huber: certified relative gap to the optimum; 0.001.")
    max_iterations: int | None = option("l1, huber: largest number of iterations; 100, 500.", None, "N")
    threshold: float | None = option("huber: residuals of more are large, in units of their scale; 1.345.")
    rho: float | None = option("l1: ADMM as published with this penalty instead; 0.4.")
    alpha: float | None = option("l1: ADMM as published with this relaxation; 1.")
    iterations: int | None = option("l1: ADMM as published with N iterations; 20.", None, "N")


class Terms(Options):
    """Time functions."""

    degree: int = option("Degree of the polynomial: 1 is the velocity alone.", 1)
    periods: tuple[float, ...] = option(f"Periodic terms, 1 is annual; {_REPEAT}", (), "YEARS", was="period")
    steps: tuple[str, ...] = option(f"Offsets at events; {_REPEAT}", (), "DATE", was="step")
    velocity_changes: tuple[str, ...] = option(f"Changes of the velocity; {_REPEAT}", (), "DATE", was="velocity-change")
    exponentials: tuple[tuple[str, float], ...] = option(
        "Exponential relaxation after an event; may be repeated.",
        (),
        "DATE,DAYS",
        was="exponential",
        kind=DateAndDays(),
    )
    logarithms: tuple[tuple[str, float], ...] = option(
        "Logarithmic relaxation after an event; may be repeated.", (), "DATE,DAYS", was="logarithm", kind=DateAndDays()
    )


class Fitting(Options):
    """How they are fitted."""

    height_error: bool = flag("Fit the height error (DEM error), too; needs baselines and geometry.")
    uncertainty: Uncertainty = option(
        "Standard errors from the residuals, from the covariance of the data, or by bootstrap.", "residuals"
    )
    samples: int = option("Samples of the bootstrap.", 400, limits=(2, None))
    seed: int = option("Seed of the bootstrap.", 0)
    residuals: bool = flag("Write the residuals of each date or pair, too.")


class Geometry(Options):
    """Geometry, for the height error (DEM error)."""

    slant_range: float | None = option("Slant range, one for the image.", None, "M")
    incidence_angle: float | None = option(
        "Incidence angle from the vertical, one for the image.", None, "DEG", was="incidence"
    )


class GeometryFile(Geometry):
    """Geometry, for the height error (DEM error)."""

    geometry: str | None = option(
        "Baselines, slant range and incidence angle per pixel (NetCDF, MintPy geometry*.h5, store).", None, "FILE"
    )


class Output(Options):
    """Output."""

    json: bool = flag("Print JSON.")


class Executing(Options):
    """How a store is computed."""

    scheduler: str = option("threads | local (processes) | address of a Dask scheduler", "threads", "NAME")
    workers: int | None = option("Blocks at a time; default: number of processors.", None, "N", limits=(1, None))
    block_timeout: float = option(
        "A block that takes longer is tried once more, then reported as failed.", 3600.0, "SECONDS",
        limits=(0, None), above=True,
    )  # fmt: skip


class Running(Executing, Output):
    """Running."""

    dry_run: bool = flag("Print blocks, bytes and peak memory; compute nothing.")
    restart: bool = flag("Delete the store and start over.")


class Storing(Running):
    """Running."""

    out: str = argument("OUT")


class ReadingWrapped(Options):
    """Reading the wrapped phases."""

    baselines: str | None = option("Perpendicular baselines: table date,bperp_m.", None, "CSV", was="baseline-csv")
    wavelength: float | None = option("Radar wavelength in metres.", None, "M")
    temporal_coherence_file: str | None = option(
        "Default: the one in the folder.", None, "RASTER", keyword="temporal_coherence"
    )
    amplitude_dispersion_file: str | None = option(
        "Default: the one in the folder.", None, "RASTER", keyword="amplitude_dispersion"
    )
    sign: Sign | None = option("Direction of motion that a positive phase means.")
    nodata: float | None = option("No-data value of the phase, if the files do not say.")
    dates: str | None = option("Pattern that finds the dates in the file names.", None, "REGEX")
    variable: str | None = option("Dataset of an HDF5 file.", None, "NAME")
    area: str | None = option(_AREA, None, "WHERE")
    block: int | None = option("Edge of the blocks in pixels.", None, "N", limits=(8, None))


class Points(Options):
    """Selecting points."""

    min_temporal_coherence: float | None = option(
        "Points of at least this temporal coherence.", None, "G", limits=(0, 1), was="temporal-coherence"
    )
    max_amplitude_dispersion: float | None = option(
        "Points of at most this amplitude dispersion.", None, "D", limits=(0, 1), was="amplitude-dispersion"
    )
    mask: str | None = option("Only where this raster is neither 0 nor without data.", None, "RASTER")


class Arcs(Options):
    """Estimating arcs (links)."""

    network: LinkNetwork = option("Which points an arc connects.", "both")
    neighbours: int = option("Nearest points that each point is connected to.", 16, "N", limits=(1, None))
    max_length: float | None = option("Longest arc.", None, "M", limits=(0, None), above=True)
    method: LinkMethod = option(
        "published: dense grid, arcs weighted by coherence; for comparison with the published method.", "insarray"
    )


class Ranges(Options):
    """Range of the search."""

    velocity_range: tuple[float, ...] = option(
        "Velocity differences of arcs, mm/yr; STEP only with --method published.", (-60.0, 60.0),
        "MIN MAX [STEP]", kind=Range(),
    )  # fmt: skip
    height_error_range: tuple[float, ...] | None = option(
        "Height error (DEM error) differences of arcs, m; -60 60 where there are baselines, else none is estimated.",
        None, "MIN MAX [STEP]", kind=Range(),
    )  # fmt: skip
