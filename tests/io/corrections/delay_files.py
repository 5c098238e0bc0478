"""Small fake files of tropospheric delays, made after the code of those that write the real ones, with known delays."""

import numpy as np
import rasterio
import xarray as xr

from insarray.kernels.corrections.refractivity import GAS_CONSTANT, GAS_CONSTANT_VAPOUR, GRAVITY, K1, K2, K3

TEMPERATURE, PRESSURE, VAPOUR, SCALE = 280.0, 101_500.0, 1200.0, 2000.0
"""An atmosphere of one temperature (K), pressure (Pa) and vapour pressure (Pa) at height 0, scale height of the vapour (m)."""

RATIO = GAS_CONSTANT / GAS_CONSTANT_VAPOUR
LEVELS = np.array([1000, 975, 950, 925, 900, 850, 800, 700, 600, 500, 400, 300, 200, 100, 50, 10, 1.0])  # hPa
FILL = np.float32(9.96921e36)


def wet(height, vapour=VAPOUR):
    """Zenith delay by the vapour in m: the refractivity is exponential in the height."""
    refractivity = (K2 - RATIO * K1) / TEMPERATURE + K3 / TEMPERATURE**2
    return 1e-6 * refractivity * vapour * SCALE * np.exp(-np.asarray(height) / SCALE)


def hydrostatic(height):
    """Zenith delay by the weight of the air above, m."""
    scale = GAS_CONSTANT * TEMPERATURE / GRAVITY
    return 1e-6 * K1 * GAS_CONSTANT / GRAVITY * PRESSURE * np.exp(-np.asarray(height) / scale)


def columns(vapour):
    """Temperature, humidity and geopotential on `LEVELS` of that atmosphere, for an array of vapour pressures."""
    pressure = LEVELS[:, None, None] * 100.0
    height = GAS_CONSTANT * TEMPERATURE / GRAVITY * np.log(PRESSURE / pressure) + 0 * vapour
    here = vapour * np.exp(-height / SCALE)
    humidity = RATIO * here / (pressure - (1 - RATIO) * here)
    return np.full(height.shape, TEMPERATURE), humidity, height * GRAVITY


def era5(path, lat, lon, times, vapour=VAPOUR, *, old=False):
    """NetCDF as ECMWF's data store converts it since 2024, or before (`old`).

    New names: contrailcirrus/pycontrails issue 232, and ECMWF's "GRIB to netCDF conversion on new CDS and ADS systems".
    """
    time, level = ("time", "level") if old else ("valid_time", "pressure_level")
    fields = [np.stack(parts) for parts in zip(*(columns(vapour + 0 * lat[:, None] * lon) for _ in times), strict=True)]
    dims = (time, level, "latitude", "longitude")
    units = {"t": "K", "q": "kg kg**-1", "z": "m**2 s**-2"}
    variables = {
        name: (dims, f.astype(np.float32), {"units": units[name]}) for name, f in zip("tqz", fields, strict=True)
    }
    about = {"units": "millibars" if old else "hPa"}
    levels = LEVELS[::-1].astype(np.int32) if old else LEVELS
    made = xr.Dataset(
        {name: (dims, v[1][:, ::-1] if old else v[1], v[2]) for name, v in variables.items()},
        {time: np.array(times, "datetime64[ns]"), level: (level, levels, about), "latitude": lat, "longitude": lon},
    )
    if not old:
        made = made.assign_coords(number=0, expver=(time, np.array(["0001"] * len(times), object)))
    made.to_netcdf(path, engine="h5netcdf")
    return path


def opera(folder, lat, lon, time, heights, scale=1.0, *, units="meters"):
    """OPERA L4 TROPO-ZENITH: opera-adt/tropo, src/opera_tropo/product_info.py and run.py."""
    stamp = np.datetime64(time, "s").item().strftime("%Y%m%dT%H%M%SZ")
    dims = ("time", "height", "latitude", "longitude")
    shape = (1, len(heights), len(lat), len(lon))
    attrs = {"units": units, "grid_mapping": "spatial_ref"}
    layers = {}
    for name, delay in (("wet_delay", wet), ("hydrostatic_delay", hydrostatic)):
        values = scale * np.broadcast_to(delay(heights)[None, :, None, None], shape)
        layers[name] = (dims, values.astype(np.float32), attrs)
    made = xr.Dataset(
        layers,
        {
            "time": np.array([time], "datetime64[ns]"),
            "height": ("height", np.asarray(heights, float), {"units": "meters"}),
            "latitude": lat,
            "longitude": lon,
        },
        {"title": "OPERA_L4_TROPO-ZENITH", "Conventions": "CF-1.8"},
    )
    made["time"].encoding = {"units": "hours since 1900-01-01", "calendar": "gregorian"}
    path = folder / f"OPERA_L4_TROPO-ZENITH_{stamp}_{stamp}_HRES_v1.0.nc"
    encoding = {name: {"_FillValue": FILL, "zlib": True} for name in layers}
    made.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    return path


def raider(path, lat, lon, time, heights, *, kind="zenith", units="degrees_north"):
    """Cube of RAiDER: dbekaert/RAiDER, tools/RAiDER/delay.py, tropo_delay_cube."""
    shape = (len(heights), len(lat), len(lon))
    layers = {
        name: (
            ("z", "y", "x"),
            np.broadcast_to(delay(heights)[:, None, None], shape),
            {"units": "m", "description": text},
        )
        for name, delay, text in (
            ("wet", wet, f"wet {kind} delay"),
            ("hydro", hydrostatic, f"hydrostatic {kind} delay"),
        )
    }
    attrs = {"title": "RAiDER geo cube", "description": f"RAiDER geo cube - {kind}"}
    attrs["reference_time"] = np.datetime64(time, "s").item().strftime("%Y%m%dT%H:%M:%S")
    coords = {
        "z": ("z", np.asarray(heights, float), {"units": "m", "description": "height above ellipsoid"}),
        "y": ("y", lat, {"units": units, "standard_name": "latitude"}),
        "x": ("x", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    xr.Dataset(layers, coords, attrs).to_netcdf(path, engine="h5netcdf")
    return path


def gacos(folder, date, lat, lon, values, *, time_of_day=None):
    """GACOS' flat file and header; X_FIRST, Y_FIRST are the centre of the first sample: LiCSAR's LiCSAR_ztd2geotiff.py."""
    path = folder / f"{date}.ztd"
    np.asarray(values, "<f4").tofile(path)
    lines = {
        "WIDTH": len(lon), "FILE_LENGTH": len(lat), "XMIN": 0, "XMAX": len(lon) - 1, "YMIN": 0, "YMAX": len(lat) - 1,
        "X_FIRST": lon[0], "Y_FIRST": lat[0], "X_STEP": lon[1] - lon[0], "Y_STEP": lat[1] - lat[0],
        "X_UNIT": "degres", "Y_UNIT": "degres", "PROJECTION": "LATLON", "DATUM": "WGS84",
    }  # fmt: skip
    if time_of_day is not None:
        lines["TIME_OF_DAY"] = time_of_day
    (folder / f"{date}.ztd.rsc").write_text("".join(f"{key:<20}{value}\n" for key, value in lines.items()))
    return path


def geotiff(path, lat, lon, values, crs="EPSG:4326"):
    """Raster whose pixel centres are at latitudes and longitudes."""
    dy, dx = lat[1] - lat[0], lon[1] - lon[0]
    profile = {"driver": "GTiff", "height": len(lat), "width": len(lon), "count": 1, "dtype": "float32", "crs": crs}
    profile["transform"] = rasterio.Affine(dx, 0, lon[0] - dx / 2, 0, dy, lat[0] - dy / 2)
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.asarray(values, np.float32), 1)
    return path
