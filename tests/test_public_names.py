"""What a user sees of the package: its names, its accessor, its versions."""

import io
import platform
import pydoc
import subprocess
import sys

import pytest
from click.testing import CliRunner

import insarray as ia
from insarray.__main__ import cli
from insarray.versions import versions


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_dir_lists_the_public_names_and_nothing_else():
    assert sorted(dir(ia)) == sorted([*ia.__all__, "__doc__", "__version__"])


def test_help_shows_the_functions():
    text = pydoc.render_doc(ia, renderer=pydoc.plaintext)
    assert "open_stack(files" in text
    assert "simulate_stack(" in text
    assert "importlib" not in text


def test_completion_offers_public_names_only():
    completer = pytest.importorskip("IPython.core.completer").IPCompleter(namespace={"ia": ia}, use_jedi=False)
    found = {match.rpartition(".")[2] for match in completer.all_completions("ia.")}
    assert {name for name in found if not name.startswith("_")} == set(ia.__all__)


@pytest.mark.parametrize(
    "imports",
    [
        "import insarray, xarray",
        "import xarray, insarray",
        "import insarray, importlib.util; importlib.util.find_spec('xarray'); import xarray",
    ],
)
def test_the_accessor_is_there_once_both_are_imported(imports):
    code = f"import sys; {imports}; print(xarray.Dataset(coords={{'time': ['20200101']}}).insar.times.dtype); print('rasterio' in sys.modules)"
    assert run_python(code).split() == ["datetime64[s]", "False"]
    code = f"import sys; before = list(sys.meta_path); {imports}; print([f for f in sys.meta_path if 'insarray' in repr(f)])"
    assert run_python(code).strip() == "[]"


def test_versions_say_what_a_report_needs():
    found = versions()
    assert found["insarray"].startswith(f"{ia.__version__} (")
    assert found["Python"] == platform.python_version()
    assert {"numpy", "xarray", "zarr", "GDAL", "PROJ", "system", "processor", "threads"} <= found.keys()
    assert "numba" in found["threads"]


def test_show_versions_writes_where_it_is_told(capsys):
    text = io.StringIO()
    ia.show_versions(file=text)
    assert [line.split()[0] for line in text.getvalue().splitlines()] == list(versions())
    assert capsys.readouterr().out == ""
    ia.show_versions()
    assert capsys.readouterr().out == text.getvalue()


def test_version_option():
    short = CliRunner().invoke(cli, ["--version"])
    assert (short.exit_code, short.output) == (0, f"insarray, version {ia.__version__}\n")
    full = CliRunner().invoke(cli, ["--version", "--verbose"])
    assert full.exit_code == 0
    assert full.output.splitlines()[0].startswith(f"insarray      {ia.__version__} (")
    assert "\nGDAL " in full.output
