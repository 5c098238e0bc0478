"""Groups of options shared by commands; each has the keywords of one library function."""

from insarray.cli.typed import DateAndDays, LonLats, Options, argument, flag, option
from insarray.model import choices


class Files(Options):
    """Reading the files."""

    wavelength: float | None = option("Radar wavelength in metres.", None, "M")
    sign: choices.Sign | None = option("Direction of motion that a positive value means.")
    nodata: float | None = option("No-data value of the phase, if the files do not state it.")
    dates: str | None = option("Regular expression for the two dates in file names, one group each.", None, "REGEX")
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
    product: str | None = option("Reader, instead of the one recognised from the files.", None, "NAME")
    units: choices.Units | None = option("Unit of the files.")
    extent: choices.Extent | None = option("Pixels to read if the files cover different areas.")
    resample: bool = flag("Warp files of another CRS or pixel size while reading.")
    dem: str | None = option("Heights at which geometry cubes (ARIA, NISAR) are interpolated.", None, "RASTER")
    layers: tuple[choices.ProductLayer, ...] = option(
        "Further layers of the product (ARIA, NISAR, OPERA), kept apart.", ()
    )


class Selecting(Options):
    """Selecting pairs."""

    max_temporal_baseline: float | None = option("Exclude pairs of a longer temporal baseline.", None, "DAYS")
    max_perpendicular_baseline: float | None = option("Exclude pairs of a larger perpendicular baseline.", None, "M")
    max_neighbours: int | None = option("Keep pairs of each date with the next N dates.", None, "N")
    exclude_dates: tuple[str, ...] = option("Exclude these dates.", (), "DATE", was="exclude-date")
    exclude_pairs: tuple[str, ...] = option("Exclude these pairs.", (), "PAIR", was="exclude-pair")
    min_mean_coherence: float | None = option(
        "Keep pairs of at least this mean coherence, and a spanning tree.", None, "G"
    )


class Correcting(Options):
    """Correcting unwrapping errors."""

    correct_unwrapping: tuple[choices.CorrectionMethod, ...] = option(
        "Add whole cycles by loop closure (per pixel or component) or between components (bridging), in this order.", ()
    )


class Corrections(Options):
    """Corrections to subtract, besides those of --layers."""

    troposphere: tuple[str, ...] = option(
        "Delays of ERA5 (GRIB, NetCDF), OPERA TROPO-ZENITH, RAiDER or GACOS: folder, pattern or files.", (), "GLOB"
    )
    tides: bool = flag("Solid Earth tide.")
    plate: str | None = option("Motion of a plate, such as Eurasia (ITRF2020).", None, "NAME")
    ionosphere: tuple[str, ...] = option("Maps of the electron content (IONEX).", (), "GLOB")
    stratified: choices.HeightModel | None = option(
        "Troposphere estimated from the correlation of the phase with height."
    )


class CorrectionGeometry(Options):
    """Acquisition time and geometry; needed only if the data do not state them."""

    time_of_day: str | None = option("Time of the acquisitions in UTC, such as 14:07:44.", None, "HH:MM:SS")
    incidence_angle: float | None = option("Incidence angle from the vertical, constant over the image.", None, "DEG")
    heading: float | None = option("Direction of flight, clockwise from north.", None, "DEG")
    look: choices.Look = option("Look side of the radar.", "right")
    geometry: str | None = option(
        "Incidence angle and height per pixel, and in radar coordinates latitude and longitude (NetCDF, MintPy geometry*.h5, store).",
        None,
        "FILE",
    )


class CorrectionDetails(Options):
    """Options of corrections."""

    dem_heights: choices.HeightReference | None = option(
        "troposphere: what the heights of the DEM are above; converted where the weather files count otherwise."
    )
    max_hours: float = option("Largest time between a weather file and the acquisition.", 0.5, "HOURS", limits=(0, 12))
    missing: choices.MissingDates = option("Dates without a correction: error, or no data at these dates.", "error")
    windows: int = option(
        "stratified: windows along each side of the image, each with its own fit.", 1, "N", limits=(1, 20)
    )
    keep_velocity: bool = flag("stratified: fit jointly with a velocity, which is kept.")
    mask: str | None = option(
        "stratified, assess: use only pixels where this raster is neither 0 nor no-data.", None, "RASTER"
    )
    keep: bool = flag("Store the uncorrected data and each correction in OUT, too.", default=True)
    assess: bool = flag("Print for each date whether each correction helps; with --dry-run nothing else.")
    plot: str | None = option("assess: plot to a file (.png, .pdf, .svg).", None, "PATH")


class Masking(Options):
    """Masking samples."""

    min_coherence: float | None = option("Mask samples of lower coherence.", None, "G")
    mask_components: bool = flag("Mask samples of connected component 0.")
    mask: str | None = option("Mask pixels where this raster is 0 or has no data.", None, "RASTER")


class Criteria(Options):
    """Selecting pixels of the stored result."""

    min_temporal_coherence: float | None = option("Only pixels of at least this temporal coherence.", None, "G")
    max_residual_rms: float | None = option("Only pixels of at most this residual rms.", None, "RAD")
    exclude_flags: tuple[str, ...] = option(
        "No pixels with these flags, such as dates_untied.", (), "NAME", was="exclude-flag"
    )


class Quality(Criteria):
    """Selecting pixels of the result."""

    min_dates: int | None = option("Only pixels observed at this many dates.", None, "N")
    mask: str | None = option("Only pixels where this raster is neither 0 nor no-data.", None, "RASTER")


class Places(Options):
    """Places: one of --lonlat, --points, --polygons."""

    lonlat: tuple[float, ...] | None = option(
        "Longitude and latitude of one or several places, WGS 84 degrees.", None, "LON LAT", kind=LonLats()
    )
    points: str | None = option("Table of places with columns lon, lat and optionally name.", None, "CSV")
    polygons: str | None = option("Vector file of polygons; needs insarray[vector].", None, "FILE")
    radius: float = option("Largest distance of the nearest pixel with data.", 100.0, "M", limits=(0, None))
    percentiles: tuple[float, ...] = option("Percentiles of the pixels in a polygon.", (5.0, 95.0), "P")


class Minimum(Options):
    """Minimum number of observations of a pixel."""

    min_dates: int | None = option("Dates; default: a third of all, at least 5 (or half of all).", None, "N")
    min_redundancy: int | None = option(
        "Degrees of freedom; default: 3 (or a third of the largest possible).", None, "N"
    )


class Referencing(Options):
    """Reference."""

    reference: str = option("auto | none | ROW,COL | ROW:ROW,COL:COL (area) | lonlat:LON,LAT", "auto", "WHERE")


class Pairs(Reading, Selecting, Correcting, Masking, Referencing):
    """Interferograms: reading, selecting, masking, correcting."""

    files: tuple[str, ...] = argument("FILES")


class Weighting(Options):
    """Weights of pairs."""

    weights: choices.Weights = option("Weights of the samples.", "none")
    looks: float | None = option("Number of independent looks, for variance and fisher.")


class Inverting(Options):
    """Inversion."""

    norm: choices.Norm = option("Least squares, least absolute deviations, or Huber's norm.", "l2")
    gap: choices.Gap = option(
        "Dates not connected to the first: NaN, kept as subsets, or connected by an assumption.", "nan"
    )
    tolerance: float | None = option("l1, huber: certified relative gap to the optimum; default 0.001.")
    max_iterations: int | None = option("l1, huber: largest number of iterations; default 100, 500.", None, "N")
    threshold: float | None = option("huber: limit of large residuals, in units of their scale; default 1.345.")
    rho: float | None = option("l1: use ADMM as published, with this penalty; default 0.4.")
    alpha: float | None = option("l1: use ADMM as published, with this relaxation; default 1.")
    iterations: int | None = option("l1: use ADMM as published, with N iterations; default 20.", None, "N")


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
    """Fitting."""

    height_error: bool = flag("Fit the height error (DEM error), too; needs baselines and geometry.")
    uncertainty: choices.Uncertainty = option(
        "Standard errors from the residuals, from the covariance of the data, or by bootstrap.", "residuals"
    )
    samples: int = option("Samples of the bootstrap.", 400, limits=(2, None))
    seed: int = option("Seed of the bootstrap.", 0)
    residuals: bool = flag("Write the residuals of each date or pair, too.")


class Geometry(Options):
    """Geometry, for the height error (DEM error)."""

    slant_range: float | None = option("Slant range, constant over the image.", None, "M")
    incidence_angle: float | None = option(
        "Incidence angle from the vertical, constant over the image.", None, "DEG", was="incidence"
    )


class GeometryFile(Geometry):
    """Geometry per pixel."""

    geometry: str | None = option(
        "Baselines, slant range and incidence angle per pixel (NetCDF, MintPy geometry*.h5, store).", None, "FILE"
    )


class Midas(Options):
    """Median of slopes."""

    steps: tuple[str, ...] = option("Dates of known steps, which no slope spans.", (), "DATE")
    tolerance: float = option(
        "Largest difference from one year of the preferred pairs.", 0.001, "YEARS", limits=(0, None)
    )


class Sight(Options):
    """Line of sight, if the store has none."""

    line_of_sight: tuple[str, ...] = option(
        "Files (E,N,U raster, MintPy geometry, product folder) | INCIDENCE/HEADING in degrees, such as 38/-12; one per track.",
        (), "FILE",
    )  # fmt: skip


class Decomposing(Options):
    """Estimating components."""

    weights: choices.TrackWeights = option("Weights of velocities: by their standard errors, or equal.", "variance")
    quantity: choices.Quantity | None = option("Quantity to decompose; default: velocity if all tracks have it.")
    max_dilution: float = option("Largest error of a component per unit error of each track.", 5.0, "F", above=0)
    resampling: choices.Resampling = option("Resampling of tracks on other grids.", "nearest")


class Comparing(Options):
    """Comparing with stations."""

    reference: str | None = option("Reference station; default: all pairs of stations.", None, "NAME")
    radius: float = option("Use pixels within this many metres of a station.", 0.0, "M", limits=(0, None))
    at: choices.AtStation = option("Nearest of these pixels with data, or their mean.", "nearest")
    days: int = option("Average positions over this many days before and after a date.", 0, "N", limits=(0, None))


class Tying(Options):
    """Tying to GNSS."""

    surface: choices.TieSurface = option("Surface to fit and subtract.", "plane")
    up: choices.Up = option("Vertical velocity of GNSS: as given, or zero.", "gnss")
    robust: bool = flag("Reduce the influence of outliers.", default=True)
    mask: str | None = option("Maps: fit only where this raster is neither 0 nor no-data.", None, "RASTER")
    radius: float = option("Stations: average the pixels within this many metres.", 0.0, "M", limits=(0, None))
    days: int = option("Positions: average over this many days before and after a date.", 0, "N", limits=(0, None))


class Merging(Options):
    """Merging tracks."""

    surface: choices.MergeSurface = option("Surface of each track, from its overlaps.", "offset")
    up: choices.Up = option("Vertical motion of GNSS: as given, or zero.", "gnss")
    quantity: choices.Quantity | None = option("Quantity to merge; default: velocity if all tracks have it.")
    weights: choices.TrackWeights = option("Weights in overlaps: by the standard errors, or equal.", "variance")
    resampling: choices.Resampling = option("Resampling of tracks on other pixels.", "nearest")
    robust: bool = flag("Reduce the influence of outliers.", default=True)
    radius: float = option("Stations: average the pixels within this many metres.", 0.0, "M", limits=(0, None))
    days: int = option("Positions: average over this many days before and after a date.", 0, "N", limits=(0, None))


class Validating(Options):
    """Requirement."""

    requirement: choices.Requirement = option("Requirement of NISAR or OPERA.", "nisar_secular")
    threshold: float | None = option("Largest error, instead of that of the requirement.", None, "M", above=0)
    slope: float | None = option(
        "Growth of the largest error with the square root of the distance in km.", None, "M", limits=(0, None)
    )
    share: float | None = option("Share of the pairs, instead of that of the requirement.", None, "F", above=0)
    distances: tuple[float, ...] = option("Edges of the distance bins.", (0.1, *(5.0 * k for k in range(1, 11))), "KM")
    pairs: int = option("Pairs of pixels in each bin.", 10_000, "N", limits=(1, None))
    seed: int = option("Seed with which pairs are drawn.", 0)
    mask: str | None = option("Only pixels where this raster is neither 0 nor no-data.", None, "RASTER")
    radius: float = option("Stations: average the pixels within this many metres.", 0.0, "M", limits=(0, None))


class Framing(Options):
    """Reference frame."""

    plate: str | None = option("Plate to be fixed, such as Eurasia.", None, "NAME")
    model: choices.PlateModel | None = option("Plate motion model; default: ITRF2020.")
    change: choices.FrameChange = option("Remove the plate motion, or add it back.", "remove")


class Output(Options):
    """Output."""

    json: bool = flag("Print JSON.")


class Executing(Options):
    """Execution."""

    scheduler: str = option("threads | local (processes) | address of a Dask scheduler", "threads", "NAME")
    workers: int | None = option(
        "Blocks computed in parallel; default: number of processors.", None, "N", limits=(1, None)
    )
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
