"""What may not be in the sources, and what names in files may not do."""

import ast
from pathlib import Path

import pytest

import insarray as ia
from insarray.simulate.stacks import simulate_stack

ROOT = Path(ia.__file__).parent
RUNS_CODE = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "marshal.loads", "marshal.load", "shelve.open",
    "pickle.load", "pickle.loads", "pickle.Unpickler", "cloudpickle.load", "cloudpickle.loads", "joblib.load",
    "pandas.read_pickle", "pd.read_pickle", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all",
}  # fmt: skip
ALLOWED = {("engine/jobs.py", "pickle.loads"), ("engine/run/cluster.py", "pickle.loads")}
"""What this run has sent to its own workers; Dask does the same."""


def name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def dangers(source: str) -> set[str]:
    """Calls that run what they are given: also by another name, np.load that unpickles, a YAML loader that is not safe."""
    tree = ast.parse(source)
    renamed = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            renamed |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            renamed |= {alias.asname: alias.name for alias in node.names if alias.asname}
    safe = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "yaml.SafeLoader" in map(name_of, node.bases)
    } | {"yaml.SafeLoader"}
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first, dot, rest = name_of(node.func).partition(".")
        name = renamed.get(first, first) + dot + rest
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in RUNS_CODE:
            found.add(name)
        if name in ("np.load", "numpy.load") and "allow_pickle" in given:
            found.add(name)
        if any(key == "shell" and getattr(value, "value", None) is not False for key, value in given.items()):
            found.add("shell=True")
        if name == "yaml.load":
            loader = node.args[1] if len(node.args) > 1 else given.get("Loader")
            if loader is None or name_of(loader) not in safe:
                found.add(name)
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_a_file_holds(path):
    own = str(path.relative_to(ROOT))
    assert {(own, name) for name in dangers(path.read_text())} <= ALLOWED


@pytest.mark.parametrize(
    "source",
    [
        "eval(x)",
        "import pickle as p\np.loads(x)",
        "from pickle import loads as innocent\ninnocent(x)",
        "import numpy as np\nnp.load(f, allow_pickle=True)",
        "import yaml\nyaml.load(f)",
        "import yaml\nyaml.load(f, yaml.Loader)",
        "import yaml\nclass L(yaml.Loader):\n    pass\nyaml.load(f, L)",
        "import subprocess\nsubprocess.run(x, shell=True)",
    ],
)
def test_the_search_finds_it(source):
    assert dangers(source)


def test_the_two_places_that_are_known_are_found(account):
    assert {(name, call) for name, call in ALLOWED if call in dangers((ROOT / name).read_text())} == ALLOWED
    modules = sum(1 for _ in ROOT.rglob("*.py"))
    account(
        "code that runs what a file holds",
        "eval, pickle, YAML loaders, shells: all modules",
        modules,
        0,
        "two places, of own data",
    )


@pytest.fixture
def hostile():
    """A result whose attributes are paths to elsewhere."""
    stack, _ = simulate_stack(shape=(20, 24), n_dates=5, missing=0.0, water=False)
    series = ia.invert(stack.chunk(pair=-1, y=20, x=24), reference=(5, 5))
    result = series.merge(ia.fit(series)).compute()
    names = ("title", "source", "command", "history", "mission", "PROJECT_NAME", "FILE_PATH")
    result.attrs.update({name: "../../escaped" for name in names if name not in result.attrs})
    result["../escaped"] = result.velocity.assign_attrs(long_name="/escaped", standard_name="../escaped")
    return result


@pytest.mark.parametrize("write", ["to_netcdf", "to_mintpy", "report", "to_cog"])
def test_names_in_a_result_do_not_lead_out_of_the_folder(write, hostile, tmp_path, account):
    folder = tmp_path / "a" / "b" / "out"
    folder.mkdir(parents=True)
    if write == "to_cog":
        ia.to_cog(hostile["../escaped"], folder / "velocity.tif", attrs=hostile.attrs)
    elif write == "report":
        ia.report(hostile, folder / "report.html")
    elif write == "to_netcdf":
        ia.to_netcdf(hostile.drop_vars("../escaped"), folder / "series.nc")
    else:
        ia.to_mintpy(hostile, folder / "mintpy")
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(folder)]
    assert outside == []
    assert any(path.is_file() for path in folder.rglob("*"))
    account(
        "attributes and names that are paths", "GeoTIFF, NetCDF, MintPy, report", 4, 0, "nothing outside the folder"
    )


def test_a_store_has_no_variable_that_leads_out_of_it(hostile, tmp_path, account):
    """A name that is a path is refused, or stays inside."""
    lazy = hostile.chunk(y=20, x=24)
    try:
        ia.run(lazy[["velocity", "../escaped"]], str(tmp_path / "in" / "o.zarr"))
    except (ia.InsarrayError, ValueError):
        pass
    else:
        pytest.fail("a variable named ../escaped was written")
    assert not (tmp_path / "in" / "escaped").exists()
    account("variable `../escaped` in a store", "run", 1, 0, "exit 2, nothing outside the store")
