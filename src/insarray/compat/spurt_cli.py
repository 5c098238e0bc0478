"""``insarray spurt``: options of spurt and of its link-model extension; slow imports are deferred to the command."""

from dataclasses import MISSING
from typing import Literal

from insarray.cli.commands import TypedCommand
from insarray.cli.options import Output
from insarray.cli.typed import Options, Range, flag, option


class Model(Options):
    """Link model: velocity and, with baselines, DEM error."""

    baseline_csv: str | None = option(
        "Perpendicular baselines: table date,bperp_m or reference,secondary,bperp_m. Without it only a velocity is estimated.",
        None, "CSV",
    )  # fmt: skip
    wavelength: float | None = option(
        "Radar wavelength in metres; default: that of the files, else 0.055465 (Sentinel-1).", None, "M", above=0
    )
    slant_range: float = option("Slant range, one for the image.", 900e3, "M", above=0)
    look_angle_deg: float = option(
        "Angle of the published formula, one for the image: give the incidence angle.", 39.0, "DEG",
        names=("--look-angle-deg", "--incidence-angle"),
    )  # fmt: skip
    velocity_range: tuple[float, ...] = option(
        "Velocity differences of links, mm/yr, positive away from the satellite; STEP is not needed.",
        (-100.0, 100.0, 5.0), "MIN MAX [STEP]", kind=Range(),
    )  # fmt: skip
    dem_error_range: tuple[float, ...] = option(
        "DEM error differences of links, m, with the published sign; STEP is not needed.",
        (-50.0, 50.0, 2.5), "MIN MAX [STEP]", kind=Range(),
    )  # fmt: skip
    no_velocity_estimation: bool = flag("Unwrap without a model; no maps of it are written.")


class Tiles(Options):
    """Tiles and workers."""

    t_workers: int = option("Tiles at a time; 0 or less: number of processors.", 0, "N", names=("-w", "--t-workers"))
    s_workers: int = option("Tiles at a time, if more than --t-workers.", 1, "N")
    unwrap_parallel_tiles: int = option("Tiles at a time, if more than --t-workers.", 1, "N")
    pts_per_tile: int | None = option(
        "Most points in a tile, which is a square of so many pixels; default: 65536 (spurt: 800000).",
        None, "N", limits=(1, None),
    )  # fmt: skip
    max_tiles: int | None = option(
        "Most tiles, which are made larger if need be; default: any number (spurt: 49).", None, "N", limits=(1, None)
    )
    singletile: bool = flag("Process the image as a single tile.")


class Ignored(Options):
    """Without effect here."""

    batchsize: int = option("Links are processed in batches of a fixed size.", 150000, "N", names=("-b", "--batchsize"))
    t_cost_type: Literal["constant", "distance", "centroid"] = option("Costs follow from the model.", "constant")
    t_cost_scale: int = option("Costs follow from the model.", 100, "N")
    merge_parallel_ifgs: int = option("All interferograms of a block are written together.", 1, "N")


class Spurt(Model, Tiles, Ignored, Output):
    """Unwrap a phase-linked stack, as spurt's workflow emcf.

    The folder -i has interferograms {first}_{date}.int.tif and temporal_coherence.tif. The folder -o gets the unwrapped
    interferograms of each date with the next three, {date}_{date}.unw.tif, and velocity_mm_yr.tif, dem_error_m.tif and
    link_model_coherence.tif. Both maps have the sign of the published formula, phase = 4 pi / wavelength * (velocity *
    time + baseline / (slant range * sin(angle)) * DEM error): the velocity is positive away from the satellite. (Those of
    insarray unwrap and links have the opposite sign.) Run the same command again to finish an interrupted run. Needs
    OR-tools.
    """

    inputdir: str = option("Folder of the phase-linked stack.", MISSING, "PATH", names=("-i", "--inputdir"))
    outputdir: str = option("Folder of the results.", "./emcf", "PATH", names=("-o", "--outputdir"))
    tempdir: str = option("Folder of the unwrapped tiles, from which the same command goes on.", "./emcf_tmp", "PATH")
    coh: float = option(
        "Points have a temporal coherence of more than this.", 0.6, "G", limits=(0, 1), names=("-c", "--coh")
    )
    log_file: str | None = option("Write each step to a file, too.", None, "FILE")
    restart: bool = flag("Start over and replace all files.", names=("--restart", "--overwrite"))


spurt = TypedCommand(Spurt, "insarray.compat.spurt.unwrap", "Peers")
