"""Commands of components, GNSS, points and exports, and their options."""

from insarray.cli import options as group
from insarray.cli import output_options as output
from insarray.cli import point_options as points
from insarray.cli.program import cli
from insarray.cli.typed import argument, flag, option
from insarray.model import choices


@cli.typed("Components", "component_commands.decompose")
class Decompose(group.Decomposing, group.Sight, group.Storing):
    """Estimate east and up motion of several tracks.

    FILES are the outputs of insarray fit or invert, one per track, of the same place. OUT is a Zarr store. --north states
    what is assumed of the north component; one orbit direction alone determines no component.
    """

    files: tuple[str, ...] = argument("FILES")
    north: choices.North | None = option("zero: no north motion | gnss: from --gnss | free: estimated, too.")
    gnss: str | None = option("Maps velocity_north, velocity_north_std (NetCDF or store).", None, "FILE")
    like: str | None = option("Store with the grid of the result; default: the first.", None, "STORE")
    noise: tuple[float, ...] = option(
        "Additional noise of each velocity (m/year) or date (m); one value, or one per track.", (), "M"
    )
    knots: float | None = option("Series: days between knots; default: from the dates.", None, "DAYS", above=0)


@cli.typed("Components", "component_commands.compare")
class Gnss(group.Comparing, group.Sight, group.Output, output.Replacing):
    """Compare a series with GNSS stations.

    STORE is the output of insarray invert. FILES is a file, folder or .zip of daily positions of stations (tenv3, txyz2,
    pos, csv).
    """

    store: str = argument("STORE")
    stations: str = argument("FILES")
    plot: str | None = option("Plot panels of the stations to a file (.png, .pdf, .svg).", None, "PATH")
    out: str | None = option("Also write the comparison as NetCDF, which insarray view --gnss shows.", None, "PATH")


@cli.typed("Components", "component_commands.tie")
class Tie(group.Tying, group.Sight, group.Storing):
    """Tie a velocity or a series to GNSS.

    STORE is the output of insarray fit or invert. FILES is a file, folder or .zip of stations (MIDAS, tenv3, csv), or maps
    velocity_east, velocity_north, velocity_up (NetCDF or store). OUT is a Zarr store.
    """

    store: str = argument("STORE")
    gnss: str = argument("FILES")


@cli.typed("Components", "component_commands.merge")
class Merge(group.Merging, group.Sight, group.Storing):
    """Merge neighbouring frames or tracks of one geometry.

    FILES are the outputs of insarray fit or invert, one per track. OUT is a Zarr store. The differences in the overlaps,
    and to GNSS stations if given, determine a surface of each track, which is subtracted.
    """

    files: tuple[str, ...] = argument("FILES")
    gnss: str | None = option("Stations: MIDAS velocities, daily positions, or a table (CSV).", None, "FILES")
    like: str | None = option("Store with the grid of the result; default: that of the first, extended.", None, "STORE")


@cli.typed("Components", "component_commands.validate")
class Validate(group.Validating, group.Sight, group.Output):
    """Test a velocity against the requirements of a mission.

    STORE is the output of insarray fit or invert. Without stations, random pairs of pixels are compared, on ground known
    to be stable.
    """

    store: str = argument("STORE")
    gnss: str | None = option("Velocities of stations: MIDAS, or a table (CSV).", None, "FILE")
    date: str | None = option("Displacement of a series: since the reference date, up to this date.", None, "DATE")
    plot: str | None = option("Plot the shares to a file (.png, .pdf, .svg).", None, "PATH")


@cli.typed("Components", "component_commands.frame")
class Frame(group.Framing, group.Sight, group.Storing):
    """Remove the motion of a plate.

    STORE is the output of insarray fit, invert or decompose. OUT is a Zarr store.
    """

    store: str = argument("STORE")
    pole: str | None = option(
        "Euler pole instead of a plate, degrees and degrees per million years.", None, "LAT,LON,RATE"
    )


@cli.typed("Points", "link_commands.links")
class Links(points.ReadingWrapped, group.Geometry, points.Points, points.Arcs, points.Ranges, group.Output):
    """Estimate velocity and height error (DEM error) of points.

    STACK is a folder of single-reference wrapped interferograms or SLCs, an HDF5 file, or a Zarr store. The points are
    connected by arcs (links). The folder OUT gets points.zarr, links.zarr, and maps: velocity_mm_yr.tif (positive
    toward the satellite), dem_error_m.tif, link_model_coherence.tif; with --unwrap also unwrapped/
    with a GeoTIFF of each date. If OUT was made with the same settings, nothing is done.
    """

    stack: str = argument("STACK")
    out: str = argument("OUT")
    refine: bool = flag("Refine each point relative to its neighbours.", default=True)
    unwrap: bool = flag("Unwrap the phases of the points with their model, too; needs OR-tools.")
    reference: str = option("Point of velocity 0: none (mean of all) | ROW,COL | lonlat:LON,LAT", "none", "WHERE")
    dry_run: bool = flag("Print points, links and peak memory; compute nothing.")
    restart: bool = flag("Delete OUT, if it is an output of this command, and start over.")


@cli.typed("Points", "unwrap_command.unwrap")
class Unwrap(points.ReadingWrapped, group.Geometry, points.Unwrapping, points.Tiling, group.Storing):
    """Unwrap a wrapped stack in tiles, with the model of its points.

    STACK is a folder of single-reference wrapped interferograms or SLCs, an HDF5 file, or a Zarr store. OUT is a Zarr
    store, a stack for insarray invert; the tiles beside it (.tiles.zarr) may be removed afterwards. Run the
    same command again to finish an interrupted run. Needs OR-tools.
    """

    stack: str = argument("STACK")


@cli.typed("Export", "output_commands.export")
class Export(output.Parts, group.Quality, output.Replacing):
    """Write a GeoTIFF, NetCDF, or a table for GIS.

    PATH ends in .tif for a cloud-optimised GeoTIFF of a variable, in .nc for NetCDF of all. As a table, with a row for each
    pixel or point and a column for each date, it ends in .csv, .parquet (GeoParquet), .gpkg (GeoPackage), .geojson, .fgb
    (FlatGeobuf), .shp or .kmz.
    """

    store: str = argument("STORE")
    path: str = argument("PATH")
    variable: str | None = option("Variable to write; default for a GeoTIFF: the name of PATH.", None, "NAME")


@cli.typed("Export", "output_commands.timeseries")
class Timeseries(group.Places, group.Quality, output.Replacing):
    """Write time series of places or polygons, with standard errors.

    STORE is a stored series, of an image or of points. The table has a line for each place and date; without --out it is
    printed. For polygons: mean, median and percentiles.
    """

    store: str = argument("STORE")
    out: str | None = option("File to write: .csv, or .nc (NetCDF).", None, "PATH", names=("-o", "--out"))


@cli.typed("Export", "output_commands.plot")
class Plot(output.Drawing, group.Quality):
    """Plot networks, maps, points, profiles and comparisons.

    WHAT is one of network, closure, velocity, map (of any variable), multiples (several dates), point (time series of
    a point), points, profile (along a line), compare (with the store --with). PATH ends in .png, .pdf or .svg.
    """

    what: choices.Picture = argument("WHAT")
    store: str = argument("STORE")
    path: str = argument("PATH")


@cli.typed("Export", "output_commands.report")
class Report(group.Quality, group.Sight, output.Replacing):
    """Write an HTML report with maps, checks and time series.

    STORE is the output of invert or fit, or a series derived from it. The report is one file that needs no network.
    """

    store: str = argument("STORE")
    path: str = argument("PATH")
    title: str | None = option("Heading of the page; default: the name of STORE.", None, "TEXT")
    gnss: str | None = option("Compare the series with stations: daily positions, as for gnss.", None, "FILES")


@cli.typed("Export", "view_command.view")
class View(output.Viewing):
    """Show results in the browser: maps, series, profiles.

    STORE is a result, of an image or of points. The page is only accessible from this machine, and ends with Ctrl-C.
    """

    stores: tuple[str, ...] = argument("STORE")
