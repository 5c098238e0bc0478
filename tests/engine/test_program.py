"""Two programs never fill one store: the identity of the sources is part of all that is resumed, reused or appended to."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import insarray as ia
from insarray.engine import program
from insarray.engine.jobs import fingerprint
from insarray.engine.program import program_identity, program_name
from insarray.engine.run import append as append_module
from insarray.engine.store.point_store import save_points
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import ClusterError, StoreMismatchError
from tests.engine.test_store_and_run import job
from tests.stacks import stack_of
from tests.stores import contents

PACKAGE = Path(ia.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
PRINT = "from insarray.engine.program import program_identity as p; print(p())"


def run_python(code: str, *path: Path) -> str:
    """What a program prints that finds insarray there."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, cwd="/"
    ).stdout.strip()


@pytest.fixture
def tree(tmp_path):
    """A copy of the sources."""
    shutil.copytree(PACKAGE, tmp_path / "lib/insarray", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "lib"


def change(file: Path) -> None:
    file.write_text(file.read_text() + "\n# changed\n")


def test_it_is_of_the_sources_wherever_they_lie(tree, tmp_path):
    """In a folder of an installed wheel, in an archive; with the files of the compiler beside them."""
    assert re.fullmatch("[0-9a-f]{12}", program_identity())
    assert run_python(PRINT, tree) == program_identity()
    assert run_python(PRINT, tree) == program_identity()  # byte code has been written
    with zipfile.ZipFile(tmp_path / "insarray.zip", "w") as archive:
        for file in sorted(tree.rglob("*.py")):
            archive.write(file, file.relative_to(tree))
    assert run_python(PRINT, tmp_path / "insarray.zip") == program_identity()


@pytest.mark.parametrize("folder", ["model", "kernels", "io", "engine", "products", "compat/dolphin"])
def test_it_changes_with_the_code_that_computes(tree, folder):
    change(sorted((tree / "insarray" / folder).glob("*.py"))[-1])
    assert run_python(PRINT, tree) != program_identity()


def test_it_does_not_change_with_the_code_that_shows(tree):
    change(tree / "insarray/cli/main.py")
    change(tree / "insarray/reports/page.py")
    assert run_python(PRINT, tree) == program_identity()


@pytest.mark.slow
def test_a_store_begun_by_other_sources_is_not_resumed(tree, tmp_path):
    """Killed, updated, run again."""
    url = str(tmp_path / "o.zarr")

    def stop(finished, _):
        if finished == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ia.run(job(), url, workers=1, progress=stop)
    before = Store(url).done()
    resume = f"""
import insarray as ia
from tests.engine.test_store_and_run import job
try:
    print(ia.run(job(), {url!r}, workers=1).computed)
except ia.InsarrayError as error:
    print(error.exit_code, error)
"""
    change(tree / "insarray/products/series/inversion.py")
    code, _, said = run_python(resume, tree).partition(" ")
    assert code == "6"
    assert (
        f"the program has changed: it was begun by insarray {program_name()}, this is insarray {ia.__version__} ("
        in said
    )
    assert said.endswith("finish it with that one; choose another output, or start over with --restart")
    assert Store(url).done() == before
    assert ia.run(job(), url).computed == 12 - len(before)  # the one that began it


def test_a_store_says_which_program_made_it(tmp_path):
    ia.run(job(), str(tmp_path / "o.zarr"))
    assert open_store(str(tmp_path / "o.zarr")).attrs["source"].startswith(f"insarray {program_name()}, Python")
    said = json.loads((tmp_path / "o.zarr/_insarray/job.json").read_text())
    assert (said["program"], said["version"]) == (program_identity(), ia.__version__)


def test_all_that_is_reused_is_of_the_same_program(tmp_path, monkeypatch):
    url, points = str(tmp_path / "o.zarr"), str(tmp_path / "points.zarr")
    series, dataset = ia.invert(stack_of(), reference=(5, 5)), xr.Dataset({"velocity": ("point", np.zeros(3))})
    ia.run(series, url)
    assert save_points(dataset, points)
    assert not save_points(dataset, points)
    names = series.displacement.data.name, fingerprint(series)
    monkeypatch.setattr(program, "_IDENTITY", "another")
    changed = ia.invert(stack_of(), reference=(5, 5))
    assert changed.displacement.data.name != names[0]
    assert fingerprint(changed) != names[1]
    for again in (
        lambda: ia.run(changed, url),
        lambda: ia.run(ia.invert(stack_of(), reference=None), url),
        lambda: save_points(dataset, points),
    ):
        with pytest.raises(StoreMismatchError, match=r"the program has changed.* this is insarray .*\(another\)"):
            again()
    with pytest.raises(StoreMismatchError, match=r"made by was .* and is now 'insarray another'"):
        append_module.append(changed, url)


def test_a_store_of_a_program_without_a_name(tmp_path):
    ia.run(job(), str(tmp_path / "o.zarr"))
    path = tmp_path / "o.zarr/_insarray/job.json"
    old = json.loads(path.read_text())
    del old["program"]
    path.write_text(json.dumps({**old, "fingerprint": "x"}))
    with pytest.raises(StoreMismatchError, match="begun by an earlier insarray"):
        ia.run(job(), str(tmp_path / "o.zarr"))


def test_workers_of_another_program_are_refused(tmp_path, monkeypatch):
    """Their blocks would lie beside those of the others."""
    from distributed import Client, LocalCluster

    url = str(tmp_path / "o.zarr")
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        client.run(_have_another_numba)
        with pytest.raises(
            ClusterError, match=r"worker .* has numba 0\.1, the run numba .*same installation"
        ) as caught:
            ia.run(job(), url, client=client)
        assert caught.value.exit_code == 5
        client.run(_become_another)
        with pytest.raises(ClusterError, match=r"runs insarray .*\(another\), the run is of .*same installation"):
            ia.run(job(), url, client=client)
    assert Store(url).done() == set()
    assert ia.run(job(), url).computed == 12
    ia.run(job(), str(tmp_path / "calm.zarr"))
    assert contents(url) == contents(tmp_path / "calm.zarr")


def _have_another_numba():
    versions = {**dict(program.libraries()), "numba": "0.1"}
    program.libraries = lambda: tuple(versions.items())


def _become_another():
    program._IDENTITY = "another"
