"""`ia.map_blocks`: estimators of users and of other packages, whose results are run and planned like any other."""

import doctest
import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine import estimators
from insarray.engine.plan import plan_run
from insarray.engine.store.zarr_store import open_store
from insarray.model.conventions import Variable
from insarray.model.errors import ArgumentError, StackError
from tests.stacks import stack_of

PACKAGE = Path(__file__).resolve().parents[1] / "packages/insarray_example_estimator"
SPREAD = {"coherence_spread": Variable(("y", "x"), "float64", "1", "spread of the coherence", {"valid_min": 0.0})}
SCALED = {"scaled": Variable(("pair", "y", "x"), "float32", "1", "coherence times a number")}


def spread(percentiles, arrays):
    low, high = np.percentile(arrays["coherence"].astype(np.float64), percentiles, axis=0)
    return {"coherence_spread": high - low}


def scaled(factor, arrays):
    return {"scaled": arrays["coherence"] * np.float32(factor)}


@pytest.fixture(scope="module")
def stack() -> xr.Dataset:
    return stack_of()


def test_the_example_of_the_documentation():
    assert doctest.testmod(estimators) == (0, 8)


def test_a_result_has_what_was_declared_and_where_it_lies(stack):
    result = ia.map_blocks(spread, stack, SPREAD, constants=(10, 90))
    found = result.coherence_spread
    assert (found.dtype, found.attrs["units"], found.attrs["valid_min"]) == (np.float64, "1", 0.0)
    assert found.attrs["grid_mapping"] == "spatial_ref"
    assert result.insar.grid == stack.insar.grid
    assert dask.is_dask_collection(found.data)
    expected = np.ptp(np.percentile(stack.coherence.values.astype(float), (10, 90), axis=0), axis=0)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        ia.map_blocks(spread, stack.compute(), SPREAD, constants=(10, 90)).coherence_spread, expected
    )


def test_it_is_stored_as_declared_and_planned(stack, tmp_path):
    result = ia.map_blocks(spread, stack, SPREAD, constants=(10, 90), bytes_per_pixel=5000)
    less = ia.map_blocks(spread, stack, SPREAD, constants=(10, 90))
    assert plan_run(result, 1).bytes_per_pixel - plan_run(less, 1).bytes_per_pixel == pytest.approx(
        1.15 * 5000, rel=0.2
    )
    series = ia.invert(stack)
    both = series.assign(result.data_vars)
    ia.run(both, tmp_path / "o.zarr", workers=2)
    stored = open_store(str(tmp_path / "o.zarr"))
    assert stored.coherence_spread.dtype == np.float64
    xr.testing.assert_equal(stored.coherence_spread.compute(), result.coherence_spread.compute())
    np.testing.assert_array_equal(stored.displacement, series.displacement)


def test_a_name_of_the_table_and_dimensions_of_their_own(stack):
    def maps(_, arrays):
        return {"average_coherence": arrays["coherence"].mean(axis=0)}

    assert ia.map_blocks(maps, stack, ["average_coherence"]).average_coherence.attrs["units"] == "1"

    def moments(powers, arrays):
        return {"moment": np.stack([(arrays["coherence"] ** p).mean(axis=0) for p in powers])}

    declared = {"moment": Variable(("power", "y", "x"), "float32", "1", "mean of powers")}
    result = ia.map_blocks(moments, stack, declared, constants=(1, 2, 3), coords={"power": [1, 2, 3]})
    assert result.moment.dims == ("power", "y", "x")
    np.testing.assert_array_equal(result.power, [1, 2, 3])
    np.testing.assert_allclose(result.moment.sel(power=2), (stack.coherence**2).mean("pair"), rtol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.transpose("x", "pair", "y"),
        lambda s: s.chunk(pair=5),
        lambda s: s.chunk(y=7, x=(3, 20, 7)),
        lambda s: s.assign(coherence=s.coherence.compute()),
        lambda s: s.assign(coherence=s.coherence.chunk(x=5)),
    ],
)
def test_inputs_may_come_in_any_form(stack, change):
    expected = ia.map_blocks(spread, stack.compute(), SPREAD, constants=(10, 90))
    found = ia.map_blocks(spread, change(stack), SPREAD, constants=(10, 90))
    xr.testing.assert_identical(found.compute(), expected)


def test_arrays_of_several_places_by_name(stack):
    def ratio(_, arrays):
        return {"ratio": arrays["one"] / arrays["other"][0]}

    declared = {"ratio": Variable(("pair", "y", "x"), "float32", "1", "ratio")}
    inputs = {"one": stack.coherence, "other": stack.coherence.isel(pair=[2]).rename(pair="chosen").drop_vars("chosen")}
    found = ia.map_blocks(ratio, inputs, declared)
    np.testing.assert_array_equal(found.ratio, stack.coherence.values / stack.coherence.values[2])
    assert "reference_time" in found.coords


def names(*results):
    return [result[next(iter(result))].data.name for result in results]


def test_the_identity_is_function_constants_and_inputs(stack):
    assert len(set(names(*(ia.map_blocks(scaled, stack, SCALED, constants=2.0) for _ in range(2))))) == 1
    two = functools.partial(lambda k, factor, arrays: scaled(factor * k, arrays), 2)
    three = functools.partial(lambda k, factor, arrays: scaled(factor * k, arrays), 3)

    def closed(number):
        return lambda factor, arrays: scaled(factor * number, arrays)

    different = names(
        ia.map_blocks(scaled, stack, SCALED, constants=2.0),
        ia.map_blocks(scaled, stack, SCALED, constants=3.0),
        ia.map_blocks(scaled, stack.isel(y=slice(3, None)), SCALED, constants=2.0),
        ia.map_blocks(two, stack, SCALED, constants=2.0),
        ia.map_blocks(three, stack, SCALED, constants=2.0),
        ia.map_blocks(closed(2), stack, SCALED, constants=2.0),
        ia.map_blocks(closed(5), stack, SCALED, constants=2.0),
    )
    assert len(set(different)) == len(different)


WRONG = {
    "no function": ({"function": 3}, ArgumentError, "function: 3 is no function"),
    "an array": ({"inputs": np.zeros((3, 4))}, ArgumentError, "inputs: a ndarray is neither"),
    "arrays without names": ({"inputs": {"a": np.zeros((3, 4))}}, ArgumentError, "inputs: a is a ndarray"),
    "no pixels": ({"inputs": {"a": xr.DataArray(np.zeros(3), dims="pair")}}, ArgumentError, "without y and x"),
    "text": ({"outputs": "velocity"}, ArgumentError, "outputs: 'velocity' are no names"),
    "no outputs": ({"outputs": {}}, ArgumentError, "outputs"),
    "unknown": ({"outputs": ["who"]}, ArgumentError, "'who' is not in the conventions table; say what it is"),
    "no dimensions": ({"outputs": {"who": "float32"}}, ArgumentError, "'who' needs a Variable"),
    "dimensions": (
        {"outputs": {"who": Variable(("y", "x", "pair"), "float32", "1", "")}},
        ArgumentError,
        "end in 'y', 'x'",
    ),
    "another meaning": (
        {"outputs": {"velocity": Variable(("y", "x"), "float64", "1", "")}},
        ArgumentError,
        "'velocity' is float32",
    ),
    "a length that nobody knows": (
        {"outputs": {"who": Variable(("season", "y", "x"), "float32", "1", "")}},
        ArgumentError,
        "no input has the dimension 'season'",
    ),
    "constants": ({"constants": object()}, ArgumentError, "constants: hold"),
    "memory": ({"bytes_per_pixel": -1}, ArgumentError, "bytes_per_pixel: -1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_in_one_line(stack, name):
    changed, error, text = WRONG[name]
    given = {"function": scaled, "inputs": stack, "outputs": SCALED, "constants": 2.0, **changed}
    with pytest.raises(error, match=text) as caught:
        ia.map_blocks(given.pop("function"), given.pop("inputs"), given.pop("outputs"), **given)
    assert "\n" not in str(caught.value)


def test_other_pixels_are_refused(stack):
    moved = stack.coherence.assign_coords(x=stack.x + 30)
    with pytest.raises(StackError, match=r"other: its x is not that of coherence"):
        ia.map_blocks(scaled, {"coherence": stack.coherence, "other": moved}, SCALED, constants=1.0)
    turned = stack.coherence.sortby("y")
    with pytest.raises(StackError, match=r"other: its y is not that of coherence"):
        ia.map_blocks(scaled, {"coherence": stack.coherence, "other": turned}, SCALED, constants=1.0)


@pytest.mark.parametrize("result", [3, {}, {"scaled": 3}, {"scaled": np.zeros((3, 4), "f4")}])
def test_a_function_is_held_to_its_word(stack, result, tmp_path):
    def wrong(constants, arrays):
        return result

    with pytest.raises(ArgumentError, match=r"wrong: returned .* for 'scaled', declared as float32"):
        ia.map_blocks(wrong, stack.compute(), SCALED)
    with pytest.raises(ArgumentError, match=r"wrong: returned .* for 'scaled', declared as float32"):
        ia.run(ia.map_blocks(wrong, stack, SCALED), tmp_path / "o.zarr")


# -- a package of somebody else -------------------------------------------------------------------------------------

USE = """
import sys
import numpy as np, xarray as xr
import insarray as ia
from insarray_example_estimator import decorrelation
from tests.networks import nearest
from tests.stacks import stack_of

if __name__ == "__main__":
    stack = stack_of(nearest(20, 3))
    lazy = decorrelation(stack)
    report = ia.run(lazy, sys.argv[1], scheduler="local", workers=2)
    stored = xr.open_zarr(sys.argv[1])
    assert report.blocks == 12, report
    assert stored.decorrelation_time.dims == ("season", "y", "x") and stored.season.values.tolist()[0] == "DJF"
    assert (stored.decorrelation_time.dtype, stored.samples.dtype) == (np.float64, np.int64)
    expected = decorrelation(stack.compute())
    for name in expected:
        np.testing.assert_array_equal(stored[name], expected[name])
    print(sys.modules["insarray_example_estimator"].__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The package, installed from its folder into one of its own, without a network."""
    target = tmp_path_factory.mktemp("installed")
    if importlib.util.find_spec("hatchling") is None:  # pip would fetch it: what is left to do is a copy
        return Path(shutil.copytree(PACKAGE / "src", target, dirs_exist_ok=True))
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "package")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    return target


def test_an_estimator_of_another_package_runs_on_a_cluster(installed, tmp_path):
    script = tmp_path / "use.py"
    script.write_text(USE)
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(installed), str(root), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(script), str(tmp_path / "o.zarr")]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert str(installed) in ended.stdout
