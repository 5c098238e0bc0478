"""The one-way data flow of the design: a folder imports only from folders above it in the listing."""

import ast
from pathlib import Path

import pytest

import insarray

ROOT = Path(insarray.__file__).parent
ORDER = (
    "model",
    "kernels",
    "io",
    "engine",
    "products",
    "simulate_files",
    "simulate",
    "simulate_points",
    "faces",
    "compat",
)
"""Data flow from left to right; the package's own version may be read by all."""

FORBIDDEN = {
    "model": {"dask", "numba", "zarr", "rasterio", "h5py", "matplotlib", "distributed"},
    "kernels": {"xarray", "dask", "zarr", "rasterio", "h5py", "distributed", "matplotlib"},
    "io": {"dask", "numba", "distributed", "matplotlib"},
    "products": {"dask", "numba", "distributed", "matplotlib", "zarr"},
    "faces": {"dask", "numba"},
}
"""Third-party libraries that a layer must not know."""

FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT or path.name.startswith("simulate"))


def layer(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            if node.module == "insarray":
                found |= {f"insarray.{alias.name}" for alias in node.names if alias.name != "__version__"}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_from_above(path):
    own = ORDER.index(layer(path))
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "insarray" and len(parts) > 1:
            assert ORDER.index(parts[1]) <= own, f"{path} imports {name}, which is below {layer(path)}"
        assert parts[0] not in FORBIDDEN.get(layer(path), ()), f"{path} imports {name}"


def test_the_guard_sees_a_violation(tmp_path):
    """The parser finds what it is there to find."""
    bad = tmp_path / "x.py"
    bad.write_text("def f():\n    from insarray.faces import plot\n    import dask.array as da\n")
    assert {"insarray.faces", "dask.array"} <= imports(bad)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_its_purpose_and_stays_small(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path} has no docstring"
    assert text.count("\n") <= 400, f"{path} has {text.count(chr(10))} lines"


def test_public_names_are_an_explicit_list_that_works():
    for name in insarray.__all__:
        assert getattr(insarray, name) is not None
    with pytest.raises(AttributeError):
        _ = insarray.no_such_name
