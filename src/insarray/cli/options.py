"""Groups of options shared by commands; each has the keywords of one library function."""

from insarray.cli.typed import DateAndDays, LonLats, Options, Range, argument, flag, option
from insarray.model import choices


class Files(Options):
    """Reading the files."""

    wavelength: float | None = option("Radar wavelength in metres.", None, "M")
    sign: choices.Sign | None = option("Direction of motion that a positive value means.")
    nodata: float | None = option("No-data value of the phase, if the files do not say.")
    dates: str | None = option("Pattern that finds the dates in the file names, one group each.", None, "REGEX")
    variable: str | None = option("Variable of a NetCDF or HDF5 file.", None, "NAME")
    area: str | None = option(
        "Only this part: W,S,E,N (degrees) | LEFT,BOTTOM,RIGHT,TOP@EPSG:CODE | rows:ROW:ROW,COL:COL | vector file.",
        None, "WHERE",
    )  # fmt: skip
    block: int | None = option("Edge of the blocks in pixels.", None, "N", limits=(8, None))


class Reading(Files):
    """Reading the interferograms."""

    coherence: str | None = option("Coherence files, matched to the phase by their dates.", None, "GLOB")
    components: str | None = option("Connected component files, matched by their dates.", None, "GLOB")
    baselines: str | None = option("Table date,bperp_m or reference,secondary,bperp_m; metres.", None, "CSV")
    product: str | None = option("Reader to use instead of recognising the files.", None, "NAME")
    units: choices.Units | None = option("Unit of the files.")
    extent: choices.Extent | None = option("Pixels to use if the files cover different areas.")
    resample: bool = flag("Warp files of another CRS or pixel size while reading.")
    dem: str | None = option("Heights at which geometry cubes (ARIA, NISAR) are interpolated.", None, "RASTER")
    layers: tuple[choices.ProductLayer, ...] = option(
        "Further layers of the product (ARIA, NISAR, OPERA), kept apart.", ()
    )


class Selecting(Options):
    """Selecting pairs."""

    max_temporal_baseline: float | None = option("Leave out longer pairs.", None, "DAYS")
    max_perpendicular_baseline: float | None = option("Leave out pairs of a larger baseline.", None, "M")
    max_neighbours: int | None = option("Keep pairs to the next N dates.", None, "N")
    exclude_dates: tuple[str, ...] = option("Leave out these dates.", (), "DATE", was="exclude-date")
    exclude_pairs: tuple[str, ...] = option("Leave out these pairs.", (), "PAIR", was="exclude-pair")
    min_mean_coherence: float | None = option("Keep pairs of this mean coherence, and a spanning tree.", None, "G")


class Correcting(Options):
    """Correcting unwrapping errors."""

    correct_unwrapping: tuple[choices.CorrectionMethod, ...] = option(
        "Add whole cycles by loop closure (per pixel or component) or between components (bridging), in this order.", ()
    )


class Corrections(Options):
    """Corrections: each that is named is subtracted, and those of --layers."""

    troposphere: tuple[str, ...] = option(
        "Delays of ERA5 (GRIB, NetCDF), OPERA TROPO-ZENITH, RAiDER or GACOS: folder, pattern or files.", (), "GLOB"
    )
    tides: bool = flag("The solid Earth tide.")
    ionosphere: tuple[str, ...] = option("IONEX maps of the electron content.", (), "GLOB")
    stratified: choices.HeightModel | None = option("What the data themselves show of the height.")


class CorrectionGeometry(Options):
    """When and from where the satellite looked; what the data say of it need not be given."""

    time_of_day: str | None = option("Time of the acquisitions in UTC, such as 14:07:44.", None, "HH:MM:SS")
    incidence_angle: float | None = option("Incidence angle from the vertical, one for the image.", None, "DEG")
    heading: float | None = option("Direction of flight, clockwise from north.", None, "DEG")
    look: choices.Look = option("Side to which the radar looks.", "right")
    geometry: str | None = option(
        "Incidence angle and height per pixel (NetCDF, MintPy geometry*.h5, store).", None, "FILE"
    )


class CorrectionDetails(Options):
    """How."""

    max_hours: float = option("How far a weather file may be from the acquisition.", 0.5, "HOURS", limits=(0, 12))
    missing: choices.MissingDates = option(
        "Dates without a correction: refuse them, or leave them without data.", "error"
    )
    windows: int = option("stratified: parts of the image along each side, with a factor each.", 1, "N", limits=(1, 20))
    keep_velocity: bool = flag("stratified: leave what grows linearly in time to the motion.")
    mask: str | None = option(
        "stratified, assess: look only where this raster is neither 0 nor without data.", None, "RASTER"
    )
    keep: bool = flag("Keep the data before the correction, and each correction, in OUT.", default=True)
    assess: bool = flag("Print for each date whether each correction helps; with --dry-run nothing else.")
    plot: str | None = option("assess: plot it to a file (.png, .pdf, .svg).", None, "PATH")


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
        "No pixels with these flags, such as dates_untied.", (), "NAME", was="exclude-flag"
    )


class Quality(Criteria):
    """Which pixels of the result."""

    min_dates: int | None = option("Only pixels observed at this many dates.", None, "N")
    mask: str | None = option("Only pixels where this raster is neither 0 nor without data.", None, "RASTER")


class Places(Options):
    """Where; one of the first three."""

    lonlat: tuple[float, ...] | None = option(
        "WGS 84 degrees, of several places one after the other.", None, "LON LAT", kind=LonLats()
    )
    points: str | None = option("Table of places with columns lon, lat and perhaps name.", None, "CSV")
    polygons: str | None = option("Vector file of polygons; needs insarray[vector].", None, "FILE")
    radius: float = option("How far the nearest pixel with data may be.", 100.0, "M", limits=(0, None))
    percentiles: tuple[float, ...] = option("Of the pixels in a polygon.", (5.0, 95.0), "P")


class Minimum(Options):
    """Fewest observations of a pixel."""

    min_dates: int | None = option("Dates; default: a third of all, at least 5 (or half of them).", None, "N")
    min_redundancy: int | None = option("Degrees of freedom; default: 3 (or a third of the most).", None, "N")


class Referencing(Options):
    """Reference."""

    reference: str = option("auto | none | ROW,COL | ROW:ROW,COL:COL (area) | lonlat:LON,LAT", "auto", "WHERE")


class Pairs(Reading, Selecting, Correcting, Masking, Referencing):
    """Interferograms that a command reads, selects, masks and corrects."""

    files: tuple[str, ...] = argument("FILES")


class Weighting(Options):
    """Weights of pairs."""

    weights: choices.Weights = option("How pairs are weighted, per pixel.", "none")
    looks: float | None = option("Independent looks of the coherence, for variance and fisher.")


class Inverting(Options):
    """Inversion."""

    norm: choices.Norm = option("Least squares, least absolute deviations, or Huber's norm.", "l2")
    gap: choices.Gap = option("Dates that no pair ties to the first: NaN, subsets, or tied by an assumption.", "nan")
    tolerance: float | None = option("l1, huber: certified relative gap to the optimum; 0.001.")
    max_iterations: int | None = option("l1, huber: largest number of iterations; 100, 500.", None, "N")
    threshold: float | None = option("huber: residuals of more are large, in units of their scale; 1.345.")
    rho: float | None = option("l1: ADMM as published with this penalty instead; 0.4.")
    alpha: float | None = option("l1: ADMM as published with this relaxation; 1.")
    iterations: int | None = option("l1: ADMM as published with N iterations; 20.", None, "N")


class Terms(Options):
    """Time functions."""

    degree: int = option("Degree of the polynomial: 1 is the velocity alone.", 1)
    periods: tuple[float, ...] = option("Periodic terms, 1 is annual.", (), "YEARS", was="period")
    steps: tuple[str, ...] = option("Offsets at events.", (), "DATE", was="step")
    velocity_changes: tuple[str, ...] = option("Changes of the velocity.", (), "DATE", was="velocity-change")
    exponentials: tuple[tuple[str, float], ...] = option(
        "Exponential relaxation after an event.", (), "DATE,DAYS", was="exponential", kind=DateAndDays()
    )
    logarithms: tuple[tuple[str, float], ...] = option(
        "Logarithmic relaxation after an event.", (), "DATE,DAYS", was="logarithm", kind=DateAndDays()
    )


class Fitting(Options):
    """How they are fitted."""

    height_error: bool = flag("Fit the height error (DEM error), too; needs baselines and geometry.")
    uncertainty: choices.Uncertainty = option(
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
    """Geometry per pixel."""

    geometry: str | None = option(
        "Baselines, slant range and incidence angle per pixel (NetCDF, MintPy geometry*.h5, store).", None, "FILE"
    )


class Sight(Options):
    """Line of sight, where a store has none."""

    line_of_sight: tuple[str, ...] = option(
        "Files with it (E,N,U raster, MintPy geometry, product folder) | INCIDENCE/HEADING in degrees, as 38/-12; one per track.",
        (), "FILE",
    )  # fmt: skip


class Decomposing(Options):
    """Estimating components."""

    weights: choices.TrackWeights = option("Weights of velocities: by their standard errors, or all alike.", "variance")
    quantity: choices.Quantity | None = option("What is decomposed; default: the velocity if all have it.")
    max_dilution: float = option("Largest error of a component for errors of 1 of each track.", 5.0, "F", above=0)
    resampling: choices.Resampling = option("How tracks on other pixels are sampled.", "nearest")


class Comparing(Options):
    """Comparing with stations."""

    reference: str | None = option("Station that the others are compared with; default: all with all.", None, "NAME")
    radius: float = option("Pixels within so many metres of a station count.", 0.0, "M", limits=(0, None))
    at: choices.AtStation = option("Which of them: the nearest with data, or all of them.", "nearest")
    days: int = option("Average positions over so many days before and after a date.", 0, "N", limits=(0, None))


class Tying(Options):
    """Tying to GNSS."""

    surface: choices.TieSurface = option("Surface that is fitted and subtracted.", "plane")
    up: choices.Up = option("Vertical velocity of GNSS: its own, or none.", "gnss")
    robust: bool = flag("Leave aside what does not lie on the surface.", default=True)
    mask: str | None = option("Of maps: fit only where this raster is neither 0 nor without data.", None, "RASTER")
    radius: float = option("Of stations: the mean of pixels within so many metres.", 0.0, "M", limits=(0, None))
    days: int = option("Of positions: average over so many days before and after a date.", 0, "N", limits=(0, None))


class Framing(Options):
    """Choosing a frame."""

    plate: str | None = option("Plate that stands still, such as Eurasia.", None, "NAME")
    model: choices.PlateModel | None = option("Model of plates; default: ITRF2020.")
    change: choices.FrameChange = option("Remove the motion of the plate, or add it again.", "remove")


class Output(Options):
    """Output."""

    json: bool = flag("Print JSON.")


class Executing(Options):
    """How a store is computed."""

    scheduler: str = option("threads | local (processes) | address of a Dask scheduler", "threads", "NAME")
    workers: int | None = option("Blocks at a time; default: number of processors.", None, "N", limits=(1, None))
    block_timeout: float = option(
        "A block that takes longer is tried once more, then reported as failed.", 3600.0, "SECONDS", above=0
    )


class Running(Executing, Output):
    """Running."""

    dry_run: bool = flag("Print blocks, bytes and peak memory; compute nothing.")
    restart: bool = flag("Delete the store and start over.")


class Storing(Running):
    """Running."""

    out: str = argument("OUT")


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
    mask: str | None = option("Only where this raster is neither 0 nor without data.", None, "RASTER")


class Arcs(Options):
    """Estimating arcs (links)."""

    network: choices.LinkNetwork = option("Which points an arc connects.", "both")
    neighbours: int = option("Nearest points that each point is connected to.", 16, "N", limits=(1, None))
    max_length: float | None = option("Longest arc.", None, "M", above=0)
    method: choices.LinkMethod = option("published: dense grid, arcs weighted by coherence.", "insarray")


class Ranges(Options):
    """Range of the search; STEP only with --method published."""

    velocity_range: tuple[float, ...] = option(
        "Velocity differences of arcs, mm/yr.", (-60.0, 60.0), "MIN MAX [STEP]", kind=Range()
    )
    height_error_range: tuple[float, ...] | None = option(
        "Height error (DEM error) differences of arcs, m; -60 60 where there are baselines, else none is estimated.",
        None, "MIN MAX [STEP]", kind=Range(),
    )  # fmt: skip


class Tiling(Options):
    """Tiles."""

    tile: int = option("Size of a tile, pixels; memory grows with it.", 256, "N", limits=(32, None))
    overlap: int = option("What neighbouring tiles have in common, pixels.", 32, "N", limits=(8, None))
    fill: bool = flag("Unwrap the pixels between the points, too, by the cycles of the nearest one.")


class Unwrapping(Options):
    """Pairs, points, and the range of their model."""

    network: str = option(
        "Pairs: single (each date with the first) | hop3 (with the next three) | PAIR,PAIR,...", "single", "PAIRS"
    )
    min_temporal_coherence: float | None = option(
        "Points of at least this temporal coherence.", 0.6, "G", limits=(0, 1)
    )
    max_amplitude_dispersion: float | None = option(
        "Points of at most this amplitude dispersion.", None, "D", limits=(0, 1)
    )
    mask: str | None = option("Only where this raster is neither 0 nor without data.", None, "RASTER")
    velocity_range: tuple[float, ...] = option(
        "Velocity differences of arcs, mm/yr.", (-60.0, 60.0), "MIN MAX", kind=Range()
    )
    height_error_range: tuple[float, ...] | None = option(
        "Height error (DEM error) differences of arcs, m; -60 60 where there are baselines, else none is estimated.",
        None, "MIN MAX", kind=Range(),
    )  # fmt: skip
    neighbours: int = option("Nearest points that each point is connected to.", 16, "N", limits=(1, None))
