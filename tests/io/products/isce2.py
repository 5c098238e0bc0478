"""ISCE2's topsStack: merged interferograms with their VRT, baselines, reference and geometry in radar coordinates.

isce-framework/isce2, contrib/stack/topsStack: lines and sign of the baselines computeBaseline.py; two bands by line of the phase,
bytes of the components unwrap.py; names of the geometry topo.py.
"""

from pathlib import Path

import numpy as np

from tests.io.products.scene import Scene

WAVELENGTH = 0.05546576
LOOKS = (9, 3)
NEAR, SPACING = 800_114.9, 2.329562
_TYPES = {"float32": "Float32", "float64": "Float64", "uint8": "Byte"}
_BAND = """    <VRTRasterBand dataType="{kind}" band="{band}" subClass="VRTRawRasterBand">
        <SourceFilename relativeToVRT="1">{name}</SourceFilename>
        <ByteOrder>LSB</ByteOrder>
        <ImageOffset>{offset}</ImageOffset>
        <PixelOffset>{pixel}</PixelOffset>
        <LineOffset>{line}</LineOffset>
    </VRTRasterBand>
"""
_SWATH = """<productmanager_name>
    <component name="instance">
        <property name="ascendingnodetime"><value>2019-06-10 00:25:49</value></property>
        <component name="bursts">{bursts}</component>
    </component>
</productmanager_name>
"""
_BURST = """
            <component name="burst{k}">
                <property name="radarwavelength"><value>{wavelength}</value></property>
                <property name="startingrange"><value>{near}</value></property>
                <property name="rangepixelsize"><value>{spacing}</value></property>
            </component>"""


def vrt_text(name: str, dtype: np.dtype, bands: int, rows: int, cols: int) -> str:
    """VRT of pixels that are interleaved by line."""
    size = np.dtype(dtype).itemsize
    parts = [
        _BAND.format(
            kind=_TYPES[np.dtype(dtype).name],
            band=band + 1,
            name=name,
            offset=band * cols * size,
            pixel=size,
            line=bands * cols * size,
        )
        for band in range(bands)
    ]
    return f'<VRTDataset rasterXSize="{cols}" rasterYSize="{rows}">\n{"".join(parts)}</VRTDataset>\n'


def write_image(path: Path, *bands: np.ndarray) -> Path:
    """Write pixels, interleaved by line, and their VRT; returns the VRT."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.stack(bands, axis=1).tofile(path)
    vrt = path.with_name(f"{path.name}.vrt")
    vrt.write_text(vrt_text(path.name, bands[0].dtype, len(bands), *bands[0].shape))
    return vrt


def write_pair(project: Path, scene: Scene, k: int) -> Path:
    """Write the files of a pair; returns its folder."""
    pair = project / "merged" / "interferograms" / "_".join(scene.pairs[k])
    phase = scene.phase(k)
    write_image(pair / "filt_fine.unw", np.full_like(phase, 7.0), phase)
    write_image(pair / "filt_fine.cor", scene.coherence[k])
    write_image(pair / "filt_fine.unw.conncomp", scene.seen.astype(np.uint8))
    return pair


def write_project(project: Path, scene: Scene) -> Path:
    """Write a stack; returns its folder."""
    for k in range(len(scene.pairs)):
        write_pair(project, scene, k)
    write_baselines(project / "baselines", scene)
    for swath in (1, 2):
        write_swath(project / "reference" / f"IW{swath}.xml", swath)
    geometry = project / "merged" / "geom_reference"
    east, north, up = np.where(scene.seen, scene.line_of_sight, 0)
    incidence = np.where(scene.seen, np.degrees(np.arccos(up)), 0)
    azimuth = np.where(scene.seen, np.degrees(np.arctan2(north, east)) - 90, 0)
    write_image(geometry / "los.rdr", incidence.astype(np.float32), azimuth.astype(np.float32))
    write_image(geometry / "hgt.rdr", np.where(scene.seen, scene.height, 0).astype(np.float64))
    rows, cols = (size * looks + 1 for size, looks in zip(scene.shape, LOOKS[::-1], strict=True))
    full = vrt_text("hgt.rdr.full", np.dtype(np.float64), 1, rows, cols)
    (geometry / "hgt.rdr.full.vrt").write_text(full)
    return project


def middle(scene: Scene) -> float:
    """Slant range of the middle of the swath."""
    return NEAR + SPACING * (scene.shape[1] * LOOKS[0] + 1) / 2


def write_swath(path: Path, swath: int, wavelengths: tuple[object, ...] = (WAVELENGTH, WAVELENGTH)) -> None:
    """Write the metadata of a swath of the reference."""
    path.parent.mkdir(parents=True, exist_ok=True)
    near = NEAR + 40_000 * (swath - 1)
    bursts = [
        _BURST.format(k=k + 1, wavelength=value, near=near, spacing=SPACING) for k, value in enumerate(wavelengths)
    ]
    path.write_text(_SWATH.format(bursts="".join(bursts)))


def write_baselines(folder: Path, scene: Scene, reference: int = 1) -> None:
    """Write the baselines relative to a date, of two swaths; ISCE2 counts them away from the scene."""
    first = scene.dates[reference]
    for date in scene.dates:
        if date != first:
            value = -(scene.baselines[date] - scene.baselines[first])
            path = folder / f"{first}_{date}" / f"{first}_{date}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [
                f"swath: IW{k}\nBperp (average): {value + off}\nBpar (average): 11.5\n"
                for k, off in ((1, -2.0), (2, 2.0))
            ]
            path.write_text("".join(lines))
