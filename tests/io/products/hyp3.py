"""HyP3 jobs of the three kinds, each in a folder of its own as it is unzipped.

GAMMA: ASFHyP3/hyp3-gamma, hyp3_gamma/insar/ifm_sentinel.py (names of the job and its files, text file). Bursts:
ASFHyP3/hyp3-isce2, src/hyp3_isce2/packaging.py (names; translate_outputs: no-data 0 of every file, components as floats, lv_theta
= 90 - incidence, lv_phi = 90 + azimuth angle; make_parameter_file: the numbers of the text; make_readme).
"""

from pathlib import Path

import numpy as np

from tests.io.products.scene import UTM, Scene
from tests.io.stack_files import write_raster

KINDS = ("gamma", "burst", "multi")
JOB = ("12E3", "F8BF", "77F1", "A0C4", "0D9E")
SLANT_RANGE = 826758.6675801671
_TEXT = """Reference Granule: S1A_IW_SLC__1SDV_{first}T022008_{first}T022035_058630_07421F_93A7
Secondary Granule: S1A_IW_SLC__1SDV_{second}T022008_{second}T022035_058805_074946_C7D4
Reference Pass Direction: ASCENDING
Reference Orbit Number: 58630
Secondary Pass Direction: ASCENDING
Secondary Orbit Number: 58805
Baseline: {baseline}
UTC time: 8409.44936
Heading: -15.3974576912639
Spacecraft height: 693000.0
Earth radius at nadir: 6337286.638938101
Slant range near: 800421.8030922529
Slant range center: 826758.6675801671
Slant range far: 853095.5320680811
Range looks: 20
Azimuth looks: 4
INSAR phase filter: yes
Phase filter parameter: 0.5
DEM source: GLO_30
Unwrapping type: snaphu_mcf
Water mask: yes
"""


def job_name(kind: str, first: str, second: str, job: str) -> str:
    """Name of a job; scenes have times, which differ by a second between pairs."""
    if kind == "gamma":
        return f"S1AA_{first}T13515{int(first[-1]) % 2 + 6}_{second}T135157_VVP012_INT80_G_ueF_{job}"
    if kind == "burst":
        return f"S1_136231_IW2_{first}_{second}_VV_INT80_{job}"
    return f"S1_064_000000s1n00-136231s2n02-000000s3n00_IW_{first}_{second}_VV_INT80_{job}"


def write_job(folder: Path, scene: Scene, k: int, kind: str = "burst", job: str = "", processed: str = "") -> Path:
    """Write a pair; returns what its files begin with."""
    first, second = scene.pairs[k]
    name = job_name(kind, first, second, job or JOB[k])
    base = folder / name / name
    where = {"transform": scene.transform(k, UTM)} | ({} if kind == "gamma" else {"nodata": 0})

    def write(what: str, values: np.ndarray, **options: object) -> None:
        write_raster(base.with_name(f"{name}_{what}.tif"), values, **where, **options)

    write("unw_phase", scene.phase(k))
    write("corr", scene.cut(k, scene.coherence[k]))
    if kind != "gamma":
        write("conncomp", scene.cut(k, scene.seen).astype(np.float32))
    east, north, up = (scene.cut(k, part) for part in scene.line_of_sight)
    outside = ~scene.cut(k, scene.seen)
    write("lv_theta", np.where(outside, 0, np.arcsin(up)).astype(np.float32))
    write("lv_phi", np.where(outside, 0, np.arctan2(north, east) % (2 * np.pi)).astype(np.float32))
    write("dem", scene.cut(k, scene.height))
    write("water_mask", scene.cut(k, scene.land).astype(np.uint8))
    text = _TEXT.format(first=first, second=second, baseline=-scene.baseline(k))  # of a radar that looks right
    base.with_name(f"{name}.txt").write_text(text)
    dot = "_" if kind == "multi" else "."  # of hyp3-isce2 "_README.md.txt"
    base.with_name(f"{name}{dot}README.md.txt").write_text(f"# ASF\n\nProcessing Date/Time: {processed}\n")
    return base


def write_jobs(folder: Path, scene: Scene, kind: str = "burst") -> list[Path]:
    """Write all pairs; returns what the files of each begin with."""
    return [write_job(folder, scene, k, kind) for k in range(len(scene.pairs))]


def beside(base: Path, what: str) -> Path:
    """A file of a job."""
    return base.with_name(base.name + what)


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that is there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
