"""The one-way data flow of the design: a folder imports only from folders above it in the listing."""

import ast
from graphlib import TopologicalSorter
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
    "simulate",
    "export",
    "plot",
    "progress",
    "versions",
    "warm_up",
    "reports",
    "viewer",
    "cli",
    "compat",
)
"""Data flow from left to right."""

FORBIDDEN = {
    "model": {"dask", "numba", "zarr", "rasterio", "h5py", "matplotlib", "distributed"},
    "kernels": {"xarray", "dask", "zarr", "rasterio", "h5py", "distributed", "matplotlib"},
    "io": {"dask", "numba", "distributed", "matplotlib"},
    "products": {"dask", "numba", "distributed", "matplotlib", "zarr"},
    "export": {"dask", "numba"},
    "plot": {"dask", "numba"},
    "reports": {"dask", "numba"},
    "viewer": {"dask", "numba"},
    "cli": {"dask", "numba"},
}
"""Third-party libraries that a layer must not know."""

FILES = sorted(
    path
    for path in ROOT.rglob("*.py")
    if path.parent != ROOT or path.name in ("progress.py", "versions.py", "warm_up.py")
)


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
                found |= {f"insarray.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_from_above(path):
    own = ORDER.index(layer(path))
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "insarray" and len(parts) > 1:
            if parts[1] == "_version":  # what all may read
                continue
            assert ORDER.index(parts[1]) <= own, f"{path} imports {name}, which is below {layer(path)}"
        assert parts[0] not in FORBIDDEN.get(layer(path), ()), f"{path} imports {name}"


def room(module: str) -> str:
    """Folder of a module in the layers that have folders; a module beside them is a room of its own."""
    parts = module.split(".")[1:]
    return "/".join(parts[:2]) if parts[0] in ("kernels", "io", "engine", "products") else parts[0]


def test_rooms_make_no_circle():
    """The folders in kernels, io, engine and products, and the modules beside them, can be put in an order."""
    known = {}
    for path in FILES:
        if path.name != "__init__.py":
            module = "insarray." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
            others = {room(name) for name in imports(path) if name.startswith("insarray.")}
            known.setdefault(room(module), set()).update(others - {room(module)})
    assert "kernels/network" in known["kernels/links"]
    list(TopologicalSorter(known).static_order())


def test_the_guard_sees_a_violation(tmp_path):
    """The parser finds what it is there to find."""
    bad = tmp_path / "x.py"
    bad.write_text("def f():\n    from insarray.cli import options\n    import dask.array as da\n")
    assert {"insarray.cli", "dask.array"} <= imports(bad)


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
