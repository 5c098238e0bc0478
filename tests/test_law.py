"""The law of the entrance: an operation of xarray before a product gives what it gives after it, or one error line.

Three tables: operations that change nothing, on every product; operations on pixels, on every product that works pixel by
pixel; and what is refused, with the reason. `PRODUCTS` lists every public function that takes a dataset; a test holds the
list to `insarray.__all__`.
"""

import inspect
import re
from functools import cache

import numpy as np
import pytest
import rioxarray  # noqa: F401  registers .rio
import xarray as xr

import insarray as ia
from insarray.model.conventions import Variable
from insarray.model.errors import InsarrayError
from tests.networks import nearest
from tests.points import scene
from tests.stacks import stack_of

REFERENCE = (5, 5)


# -- what products are given ----------------------------------------------------------------------------------------


def make(kind):
    """A dataset of a kind, lazy, with masked and missing samples."""
    if kind == "stack":
        return stack_of(nearest(8, 3))
    if kind == "corrected":
        return ia.correct_unwrapping(stack_of(nearest(8, 3)), reference=REFERENCE)
    series = ia.invert(stack_of(nearest(8, 3)), reference=REFERENCE, gap="subset")
    if kind == "series":
        return series
    if kind == "long series":  # more dates than a chunk of a store has
        return ia.invert(stack_of(nearest(40, 2)), reference=REFERENCE)
    if kind == "deramped":
        return ia.deramp(series)
    if kind == "model":
        return ia.fit(series, periods=(1.0,))
    if kind == "track":
        los = {"los_east": -0.6, "los_north": 0.0, "los_up": 0.8}
        maps = {name: xr.full_like(series.temporal_coherence, value).drop_attrs() for name, value in los.items()}
        return series.assign(ia.fit(series)).assign(maps)
    if kind == "loops":
        return ia.closure(stack_of(nearest(8, 3)), reference=REFERENCE)
    if kind == "wrapped":
        return scene().wrapped.chunk({"time": -1, "y": 16, "x": 16})
    raise KeyError(kind)


@cache
def whole(kind):
    """What a product is compared with, and given besides: in memory, as it was made."""
    return make(kind).compute()


def coherence_range(constants, arrays):
    """An estimator of a user."""
    return {"coherence_range": np.ptp(arrays["coherence"], axis=0).astype(np.float32)}


RANGE = {"coherence_range": Variable(("y", "x"), "float32", "1", "range of the coherence over the pairs")}

PRODUCTS = {
    # name: (kind of dataset, product, works pixel by pixel)
    "select_pairs": ("stack", lambda d: ia.select_pairs(d, max_neighbours=2), True),
    "mask": ("stack", lambda d: ia.mask(d, min_coherence=0.4, mask_components=True), True),
    "mask by a map": ("stack", lambda d: ia.mask(d, mask=whole("stack").coherence[0].drop_vars("pair") > 0.5), True),
    "find_reference": ("stack", ia.find_reference, False),
    "temporal_average": ("stack", lambda d: ia.temporal_average(d, layer="coherence"), True),
    "component_counts": ("stack", ia.component_counts, True),
    "closure": ("stack", lambda d: ia.closure(d, reference=None), True),
    "closure_summary": ("loops", ia.closure_summary, False),
    "correct_unwrapping": ("stack", lambda d: ia.correct_unwrapping(d, reference=None), True),
    "correct_unwrapping by component": (
        "stack",
        lambda d: ia.correct_unwrapping(d, method="component", reference=None),
        False,
    ),
    "correct_unwrapping by bridges": ("stack", lambda d: ia.correct_unwrapping(d, method="bridging"), False),
    "correction_account": ("corrected", ia.correction_account, False),
    "invert": ("stack", lambda d: ia.invert(d, reference=None), True),
    "invert weighted": ("stack", lambda d: ia.invert(d, weights="variance", reference=None, gap="subset"), True),
    "invert by given weights": (
        "stack",
        lambda d: ia.invert(d, weights=whole("stack").coherence, reference=None),
        True,
    ),
    "invert robustly": ("stack", lambda d: ia.invert(d, norm="l1", reference=None), True),
    "invert the corrected": ("corrected", lambda d: ia.invert(d, phase="corrected_phase", reference=None), True),
    "rereference": ("series", lambda d: ia.rereference(d, date="20200125"), True),
    "join": ("series", lambda d: ia.join(d, whole("series")), True),
    "correct": ("series", lambda d: ia.correct(d, {"troposphere": delay()}), True),
    "correct pairs": ("stack", lambda d: ia.correct(d, {"ionosphere": delay()}), True),
    "solid_earth_tide": (
        "series",
        lambda d: ia.solid_earth_tide(d, time_of_day="06:00", incidence_angle=35.0, heading=-13.0),
        True,
    ),
    "plate_displacement": (
        "series",
        lambda d: ia.plate_displacement(d, plate="Eurasia", incidence_angle=35.0, heading=-13.0),
        False,
    ),
    "assess_corrections": (
        "long series",
        lambda d: ia.assess_corrections(d, {"troposphere": long_delay()}),
        False,
    ),
    "stratified_troposphere": (
        "series",
        lambda d: ia.stratified_troposphere(d, dem=relief(), robust=False),
        False,
    ),
    "deramp": ("series", ia.deramp, False),
    "deramp pairs": ("stack", ia.deramp, False),
    "ramp_surface": ("deramped", ia.ramp_surface, True),
    "residuals": ("stack", lambda d: ia.residuals(d, whole("series")), True),
    "residuals of a series": ("series", lambda d: ia.residuals(small(d), d), True),
    "pair_misfit": ("stack", lambda d: ia.pair_misfit(d, whole("series")), False),
    "covariance": ("stack", ia.covariance, True),
    "fit": ("series", lambda d: ia.fit(d, periods=(1.0,)), True),
    "midas": ("long series", ia.midas, True),
    "fit by weights": (
        "series",
        lambda d: ia.fit(d, weights=xr.DataArray(np.arange(1.0, 9), coords={"time": whole("series").time})),
        True,
    ),
    "fit of many dates": ("long series", lambda d: ia.fit(d, residuals=True), True),
    "fit of pairs": ("stack", lambda d: ia.fit(d, weights="variance", reference=None), True),
    "fit with a mask": ("series", lambda d: ia.fit(d, mask=whole("stack").coherence[0].drop_vars("pair") > 0.5), True),
    "quality_mask": (
        "series",
        lambda d: ia.quality_mask(
            d,
            min_dates=8,
            min_temporal_coherence=0.4,
            exclude_flags="no_data",
            mask=whole("stack").coherence[0] > 0.5,
        ).to_dataset(),
        True,
    ),
    "timeseries": ("series", lambda d: ia.timeseries(d, lonlat=[(-104.997, 37.044), (-104.9945, 37.0425)]), False),
    "predict": ("model", lambda d: ia.predict(d, ["2020-02-01", "2021-01-01"]), True),
    "remove_terms": ("series", lambda d: ia.remove_terms(d, whole("model"), ["annual"]), True),
    "remove_terms by a model": ("model", lambda d: ia.remove_terms(small_series(d), d, ["annual"]), True),
    "decompose": ("track", lambda d: ia.decompose([d, where_seen(other_direction(), d)], north="zero"), True),
    "decompose series": (
        "track",
        lambda d: ia.decompose([d, other_direction()], north="zero", quantity="displacement", knots=20),
        True,
    ),
    "line_of_sight": ("series", lambda d: ia.line_of_sight(d, whole("track")), True),
    "tie_to_gnss by maps": ("track", lambda d: ia.tie_to_gnss(d, ground()), False),
    "tie_to_gnss": (
        "track",
        lambda d: ia.tie_to_gnss(d, stations(), surface="offset", days=3),
        False,
    ),
    "merge_tracks": ("track", lambda d: ia.merge_tracks([d, neighbour()], like=d, weights="none"), False),
    "validate": ("track", lambda d: ia.validate(d, distances=(0.03, 0.1, 0.3), pairs=200), False),
    "plate_motion": ("track", lambda d: ia.plate_motion(d, plate="Eurasia"), False),
    "change_frame": ("track", lambda d: ia.change_frame(d, plate="Eurasia"), False),
    "compare_gnss": ("track", lambda d: ia.compare_gnss(d, stations(), days=3), False),
    "map_blocks": ("stack", lambda d: ia.map_blocks(coherence_range, d[["coherence"]], RANGE), True),
    "select_points": ("wrapped", lambda d: ia.select_points(d, min_temporal_coherence=0.6), False),
}


@cache
def delay():
    """A correction of dates that is zero nowhere."""
    series = whole("series")
    values = np.random.default_rng(5).normal(0, 0.02, (8, *series.displacement.shape[1:]))
    coords = {name: series[name] for name in ("time", "y", "x")}
    return xr.DataArray(values, coords, ("time", "y", "x"), attrs={"units": "m"})


@cache
def long_delay():
    """The same for the long series."""
    series = whole("long series")
    values = np.random.default_rng(5).normal(0, 0.02, series.displacement.shape)
    return series.displacement.copy(data=values).assign_attrs(units="m")


@cache
def relief():
    """Heights of the pixels."""
    like = whole("stack").coherence[0].drop_vars("pair")
    return like.copy(data=np.linspace(0, 2000, like.size).reshape(like.shape)).assign_attrs(units="m")


def small(series):
    """The stack at the pixels of a series, in its own order."""
    return whole("stack").sel(y=np.sort(series.y.values)[::-1], x=np.sort(series.x.values))


def small_series(model):
    return whole("series").sel(y=np.sort(model.y.values)[::-1], x=np.sort(model.x.values))


def where_seen(other, track):
    """The other track without the pixels that `track` lacks: of those one direction alone is observed."""
    return other.where(track.velocity.notnull().reindex_like(other, fill_value=True))


def other_direction():
    """A track that looks from the other side."""
    return whole("track").assign(los_east=-whole("track").los_east, velocity=0.5 * whole("track").velocity)


def neighbour():
    """A track with another offset that covers the same place."""
    return whole("track").assign(velocity=whole("track").velocity + 0.02)


def ground():
    """Velocity of the ground by GNSS, as maps."""
    names = ("velocity_east", "velocity_north", "velocity_up")
    return xr.Dataset({name: 0.1 * k * whole("track").velocity for k, name in enumerate(names)})


def stations():
    """Daily positions of three stations that stand still."""
    grid = whole("track").insar.grid
    lon, lat = np.array([grid.lonlat(*place) for place in ((4, 5), (10, 20), (15, 9))]).T
    days = np.arange("2020-01-01", "2020-06-01", dtype="datetime64[D]").astype("datetime64[ns]")
    coords = {"station": ["A", "B", "C"], "longitude": ("station", lon), "latitude": ("station", lat), "time": days}
    still = {name: (("station", "time"), np.zeros((3, len(days)))) for name in ("east", "north", "up")}
    return xr.Dataset(still, coords)


# -- operations that change nothing ---------------------------------------------------------------------------------


def halves(dataset, tmp_path):
    """Cut along its pairs or dates and put together again."""
    used = {dim for layer in dataset.data_vars.values() for dim in layer.dims}
    dim = next((dim for dim in ("pair", "time") if dim in used), None)
    if dim is None:
        return dataset
    lead = dataset[[name for name in dataset.data_vars if dim in dataset[name].dims]]
    parts = [lead.isel({dim: part}) for part in (slice(3), slice(3, None))]
    together = xr.concat(parts, dim, coords="minimal", compat="override", data_vars="all")
    return together.merge(dataset.drop_vars(list(lead.data_vars)), compat="override", join="override")


def stored(dataset, tmp_path):
    dataset.drop_encoding().to_zarr(tmp_path / "x.zarr", zarr_format=3, consolidated=False)
    return xr.open_zarr(tmp_path / "x.zarr", consolidated=False)


def run_and_opened(dataset, tmp_path):
    ia.run(dataset, tmp_path / "run.zarr")
    return xr.open_zarr(tmp_path / "run.zarr")


def netcdf(dataset, tmp_path):
    dataset.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    return xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf", chunks={})


def persisted_on_a_client(dataset, tmp_path):
    return dataset.persist()  # the client of the fixture


def backwards(dataset, tmp_path):
    """Pairs and dates from the last to the first."""
    return dataset.isel(pair=slice(None, None, -1), time=slice(None, None, -1), missing_dims="ignore")


def transposed(dataset, tmp_path):
    return dataset.transpose("x", ..., "y", missing_dims="ignore")


NOTHING = {
    "transpose": transposed,
    "compute": lambda d, _: d.compute(),
    "persist": lambda d, _: d.persist(),
    "persist on a client": persisted_on_a_client,
    "rechunk": lambda d, _: d.chunk({"y": 7, "x": 13}),
    "rechunk along pair and time": lambda d, _: d.chunk({k: 3 for k in ("pair", "time", "loop") if k in d.dims}),
    "where nothing is left out": lambda d, _: d.where(d.x < 1e9),
    "float64": lambda d, _: d.assign({n: v.astype(float) for n, v in d.data_vars.items() if v.dtype.kind == "f"}),
    "merge": lambda d, _: d.merge({"mine": (("y", "x"), np.ones((d.sizes["y"], d.sizes["x"])))}),
    "rename": lambda d, _: d.assign(mine=d.y * 2).rename(mine="yours"),
    "concat": halves,
    "backwards": backwards,
    "to_zarr": stored,
    "run": run_and_opened,
    "to_netcdf": netcdf,
    "assign_coords": lambda d, _: d.assign_coords(lines=("y", np.arange(d.sizes["y"]))),
    "drop_attrs of nothing": lambda d, _: d.copy(),
}


@pytest.fixture(scope="module")
def cluster():
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0") as found:
        yield found


@pytest.fixture
def client(cluster):
    """Of one test: while it is open it computes whatever others ask for."""
    from distributed import Client

    with Client(cluster) as found:
        yield found


def table(products, operations):
    """Every product with every operation; each ninth of them by default, in which all come, the others are slow."""
    return [
        pytest.param(product, operation, marks=[] if (i + j) % 9 == 0 else pytest.mark.slow)
        for i, product in enumerate(products)
        for j, operation in enumerate(operations)
    ]


@pytest.mark.parametrize(("product", "operation"), table(PRODUCTS, NOTHING))
def test_what_changes_nothing_changes_nothing(product, operation, tmp_path, request):
    kind, function, _ = PRODUCTS[product]
    expected = plain(product)
    if operation == "persist on a client":
        request.getfixturevalue("client")
    given = NOTHING[operation](make(kind), tmp_path)
    require_same(outcome(function, given), expected)


# -- operations on pixels -------------------------------------------------------------------------------------------


def cells(**part):
    return lambda d: d.isel(part, missing_dims="ignore")


def clipped(dataset):
    low, high = dataset.y.values[[-4, 3]]
    left, right = dataset.x.values[[4, -6]]
    return dataset.rio.clip_box(minx=left - 14, miny=low - 14, maxx=right + 14, maxy=high + 14)


PIXELS = {
    "crop on the edges of chunks": cells(y=slice(8, 16), x=slice(8, 24)),
    "crop off the edges of chunks": cells(y=slice(3, 18), x=slice(2, 27)),
    "crop without the reference": cells(y=slice(9, None), x=slice(11, None)),
    "sortby": lambda d: d.sortby("y"),
    "sort both": lambda d: d.sortby("y").sortby("x", ascending=False),
    "every second pixel": cells(y=slice(None, None, 2), x=slice(None, None, 2)),
    "pixels picked": cells(y=[1, 2, 11], x=[4, 5, 17]),
    "one row": cells(y=[7]),
    "where": lambda d: d.where(d.x >= d.x[9]),
    "clip_box": clipped,
}


EXCEPT = {
    ("solid_earth_tide", "where"): "the tide is everywhere, whatever is masked",
    ("correct", "where"): "the correction that is kept is everywhere, whatever is masked",
    ("correct pairs", "where"): "the correction that is kept is everywhere, whatever is masked",
    ("line_of_sight", "where"): "it is everywhere, whatever is masked",
    ("ramp_surface", "where"): "the surface is everywhere, whatever is masked",
    ("remove_terms by a model", "where"): "a masked model masks the displacement, not its standard deviation",
    ("ramp_surface", "clip_box"): "rioxarray drops the coordinate of the coefficients: refused in one line",
}


@pytest.mark.parametrize(
    ("product", "operation"), table([name for name, (_, _, local) in PRODUCTS.items() if local], PIXELS)
)
def test_an_operation_on_pixels_before_is_the_same_after(product, operation):
    kind, function, _ = PRODUCTS[product]
    if (product, operation) == ("ramp_surface", "clip_box"):
        with pytest.raises(InsarrayError, match="no coordinate 'ramp_coefficient'"):
            function(PIXELS[operation](make(kind)))
    if (product, operation) in EXCEPT:
        return
    given, result = PIXELS[operation](make(kind)), plain(product)
    if isinstance(result, xr.DataArray):
        result = result.to_dataset(name="result")
    found = outcome(function, given)
    expected = PIXELS[operation](result)
    if isinstance(found, xr.DataArray):
        found = found.to_dataset(name="result")
    require_same(found, expected, masked=operation == "where")


# -- comparison -----------------------------------------------------------------------------------------------------


@cache
def plain(product):
    """What a product gives where nothing was done before."""
    kind, function, _ = PRODUCTS[product]
    return outcome(function, make(kind))


def outcome(function, given):
    result = function(given)
    return result.compute() if isinstance(result, xr.Dataset | xr.DataArray) else result


def require_same(found, expected, *, masked=False):
    """The same to the bit, by label: order and layout of what comes out are not part of it."""
    if not isinstance(expected, xr.Dataset | xr.DataArray):
        require_alike(found, expected)
        return
    if isinstance(expected, xr.DataArray):
        found, expected = (array.to_dataset(name="result") for array in (found, expected))
    known = set(expected.data_vars) - {"mine", "yours"}
    assert known <= set(found.data_vars)
    for name in sorted(known, key=str):
        one, other = found[name], expected[name]
        for dim in ("pair", "time", "y", "x"):
            if dim in other.dims:
                one, other = (array.sortby(dim) if dim in array.coords else array for array in (one, other))
                np.testing.assert_array_equal(one[dim].values, other[dim].values, err_msg=f"{name}: {dim}")
        one = one.transpose(*other.dims)
        values = other.values
        if masked and one.dtype.kind in "iub" and values.dtype.kind in "fO":  # `where` made the expected ones floats
            values = np.nan_to_num(values.astype(float)).astype(one.dtype)
        if masked and one.dtype.kind in "iub":
            here = (one.x >= np.sort(make("stack").x.values)[9]).values
            np.testing.assert_array_equal(one.values[..., here], values[..., here], err_msg=str(name))
            continue
        if values.dtype == np.float64:  # sums over the image, block by block
            np.testing.assert_allclose(one.values, values, rtol=1e-12, err_msg=str(name))
        else:
            np.testing.assert_array_equal(one.values, values, err_msg=str(name))


def require_alike(found, expected):
    """Tables and places, in which sums over the image may differ in the last bits."""
    numbers = re.compile(r"\d+\.\d+")
    assert numbers.sub("#", repr(found)) == numbers.sub("#", repr(expected))
    pairs = zip(numbers.findall(repr(found)), numbers.findall(repr(expected)), strict=True)
    assert all(float(one) == pytest.approx(float(other), rel=1e-9) for one, other in pairs)


# -- what is refused ------------------------------------------------------------------------------------------------

REFUSED = {
    "a pair alone": (lambda: ia.invert(make("stack").isel(pair=0)), "no 'pair'; keep it when selecting"),
    "a row alone": (lambda: ia.fit(make("series").isel(y=0)), "no 'y'; keep it when selecting"),
    "one variable": (lambda: ia.fit(make("series").displacement), "is one variable, 'displacement'; give the whole"),
    "an array": (lambda: ia.invert(make("stack").unwrapped_phase.values), "is a ndarray, not an xarray.Dataset"),
    "a path": (lambda: ia.fit("series.zarr"), "is a str, not an xarray.Dataset"),
    "labels that were averaged": (
        lambda: ia.component_counts(make("stack").coarsen(y=2, x=2).mean()).compute(),
        "but is uint16 in the data model; rename or drop",
    ),
    "other names of dimensions": (lambda: ia.invert(make("stack").rename(y="lat", x="lon")), "no 'y'"),
    "centimetres": (
        lambda: ia.fit(make("series").assign(displacement=make("series").displacement.assign_attrs(units="cm"))),
        "attribute units says 'cm', but it must be in m",
    ),
    "dates twice": (
        lambda: ia.fit(
            xr.concat([make("series")] * 2, "time", data_vars="minimal", coords="minimal", compat="override")
        ),
        "more than once; keep one of them",
    ),
    "a series where pairs are asked for": (lambda: ia.invert(make("series")), "a series has no variable"),
    "pairs where a series is asked for": (lambda: ia.rereference(make("stack"), date="20200101"), "is a stack and"),
    "loops without their pairs": (
        lambda: ia.closure_summary(make("loops").isel(pair=slice(2, None))),
        "pairs of them are not in the dataset",
    ),
    "a mask of other pixels": (
        lambda: ia.mask(make("stack"), mask=whole("stack").coherence[0].isel(y=slice(4, None)) > 0),
        "mask raster: its grid differs from that of the data: 4 of 20 rows",
    ),
    "a model of other pixels": (
        lambda: ia.remove_terms(make("series"), make("model").assign_coords(x=make("model").x + 10)),
        "model: its grid differs",
    ),
    "deramping where pixels were picked": (
        lambda: ia.deramp(make("series").isel(y=[0, 1, 5, 9])),
        "y: the coordinate is not evenly spaced",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_few_and_each_has_its_line(name):
    call, message = REFUSED[name]
    with pytest.raises(InsarrayError) as refusal:
        call()
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_table_has_every_function_that_takes_a_dataset():
    """Functions of points are held to the law in tests/test_law_of_points.py, files and stores in tests of their own."""
    elsewhere = {
        "estimate_links", "integrate_links", "refine_points", "unwrap_points", "points_to_grid", "save_points",
        "plan_run", "run", "append", "to_cog", "to_geotiffs", "to_netcdf", "to_mintpy", "open_geometry", "report",
        "troposphere", "ionosphere",
        "unwrap_stack",
        "to_table",
    }  # fmt: skip
    of_datasets = {
        name
        for name in ia.__all__
        if inspect.isfunction(getattr(ia, name)) and "Dataset" in str(inspect.signature(getattr(ia, name)).parameters)
    }
    assert of_datasets - elsewhere <= {name.split()[0] for name in PRODUCTS}
