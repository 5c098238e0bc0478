"""Commands import what they need: imports take longer than a small job computes."""

import subprocess
import sys

import insarray as ia

CODE = """
import sys
from insarray.cli.process import run_command
code = run_command(sys.argv[2:])
print("loaded:", *sorted(set(sys.argv[1].split(",")) & set(sys.modules)))
sys.exit(code)
"""


def loaded(modules, *arguments):
    """Modules, of those given, that a process has loaded after a command."""
    done = subprocess.run([sys.executable, "-c", CODE, modules, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("loaded:")[2].split()


def test_a_job_in_threads_imports_neither_distributed_nor_readers(tmp_path):
    stack, _ = ia.simulate_stack(shape=(20, 24), n_dates=8, missing=0, water=False)
    ia.run(ia.invert(stack, reference=(9, 12)), tmp_path / "series.zarr")
    modules = "distributed,rasterio,h5py,matplotlib,zarr"
    assert loaded(modules, "fit", f"{tmp_path}/series.zarr", f"{tmp_path}/model.zarr") == ["zarr"]
    assert ia.open(tmp_path / "model.zarr").velocity.notnull().any()


def test_with_distributed_loaded_its_client_is_found():
    """Dask's scheduler is left alone then."""
    code = (
        "import dask, distributed\n"
        "from insarray.engine.threads import threads_without_distributed as threads\n"
        "with threads(): assert dask.config.get('scheduler', None) is None\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
