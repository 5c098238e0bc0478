"""The files that users copy: valid by their own schemas, of one version, closed to the outside, without surprises."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
MISSING = 3
"""Exit code of `deploy/validate` where a tool is absent."""


def validate(step: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [DEPLOY / "validate", step], env=os.environ | {"PATH": path} | environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode == MISSING:
        pytest.skip(done.stderr.strip())
    return done


def changed(source: Path, target: Path, before: str, after: str) -> Path:
    text = source.read_text()
    assert before in text
    target.write_text(text.replace(before, after))
    return target


# -- schemas -------------------------------------------------------------------------------------------------------


def test_the_dockerfile_has_no_fault_that_hadolint_knows():
    done = validate("hadolint")
    assert done.returncode == 0, done.stdout


def test_the_compose_file_is_valid():
    done = validate("compose")
    assert done.returncode == 0, done.stdout


def test_a_wrong_compose_file_is_noticed(tmp_path):
    wrong = changed(
        DEPLOY / "compose.yaml", tmp_path / "compose.yaml", "    command: [dask, worker", "    comand: [dask, worker"
    )
    done = validate("compose", COMPOSE_FILE=str(wrong))
    assert done.returncode == 1
    assert "comand" in done.stdout


def test_the_manifests_are_valid():
    done = validate("kubernetes")
    assert done.returncode == 0, done.stderr
    assert {"Job/invert: ok", "NetworkPolicy/insarray-only: ok", "PersistentVolumeClaim/work: ok"} <= set(
        done.stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("name", "before", "after", "word"),
    [
        ("job.yaml", "backoffLimit: 3", "backoffLimit: three", "three"),
        ("job.yaml", "backoffLimit: 3", "backofLimit: 3", "backofLimit"),
        ("cluster.yaml", "replicas: 4", "replicas: four", "four"),
        ("cluster.yaml", "livenessProbe:", "livelinessProbe:", "livelinessProbe"),
    ],
)
def test_a_wrong_manifest_is_noticed(name, before, after, word, tmp_path):
    if name == "cluster.yaml":
        pytest.importorskip("dask_kubernetes", reason="the schema of a DaskCluster comes with dask-kubernetes")
    folder = shutil.copytree(DEPLOY / "k8s", tmp_path / "k8s")
    changed(folder / name, folder / name, before, after)
    done = validate("kubernetes", KUSTOMIZATION=str(folder))
    assert done.returncode == 1
    assert word in done.stderr


def test_an_unknown_step_is_refused():
    done = subprocess.run([DEPLOY / "validate", "everything"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "deploy/validate: there is no step everything\n")


@pytest.mark.parametrize(
    "path", ["deploy/validate", "deploy/slurm/validate", "deploy/slurm/insarray.sbatch", ".ci/run"]
)
def test_shell_scripts_parse(path):
    done = subprocess.run(["bash", "-n", ROOT / path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# -- one version ---------------------------------------------------------------------------------------------------


def pins(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_image_has_the_versions_that_are_tested():
    tested, image = pins(ROOT / "requirements.lock"), pins(DEPLOY / "requirements.lock")
    assert {"dask", "distributed", "numba", "zarr", "s3fs", "jupyterlab", "hatchling", "hatch-vcs"} <= set(image)
    assert {name: versions for name, versions in image.items() if name in tested and versions != tested[name]} == {}


def test_every_pin_of_the_image_has_its_hash():
    text = (DEPLOY / "requirements.lock").read_text()
    names = re.findall(r"^[\w.-]+(?:\[[^\]]*\])?==.*$", text, re.MULTILINE)
    assert len(names) == len(re.findall(r"^[\w.-]+.*==.* \\\n    --hash=sha256:", text, re.MULTILINE)) > 100
    assert "://" not in text


def test_the_image_is_that_of_this_version():
    version = re.search(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert version is not None
    for name in ("compose.yaml", "k8s/cluster.yaml", "k8s/job.yaml"):
        images = re.findall(r"image: insarray:(\S+)", (DEPLOY / name).read_text())
        assert set(images) == {version[1]}, name
    assert f"newTag: {version[1]}\n" in (DEPLOY / "k8s/kustomization.yaml").read_text()


# -- closed to the outside -----------------------------------------------------------------------------------------


def test_ports_are_open_to_this_machine_only():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_containers_have_no_more_rights_than_they_need():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name in ("scheduler", "worker", "notebook"):
        assert services[name]["read_only"], name
        assert services[name]["cap_drop"] == ["ALL"], name
    spec = next(yaml.safe_load_all((DEPLOY / "k8s/cluster.yaml").read_text()))["spec"]
    job = yaml.safe_load((DEPLOY / "k8s/job.yaml").read_text())["spec"]["template"]
    for pod in (spec["worker"]["spec"], spec["scheduler"]["spec"], job["spec"]):
        assert pod["securityContext"]["runAsUser"] == 1000
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/work", "/cache", "/tmp"}
            assert container["resources"]["limits"]["memory"]
    assert (DEPLOY / "Dockerfile").read_text().rindex("USER 1000:1000") > 0


def test_no_secret_is_in_the_files():
    assert not (DEPLOY / "k8s/s3.env").exists()
    assert set(re.findall(r"_KEY\w*=(.*)", (DEPLOY / "k8s/s3.env.example").read_text())) == {"replace"}


# -- Dask's settings -----------------------------------------------------------------------------------------------


def test_the_settings_are_known_to_dask_and_its_timeouts_are_ours():
    import distributed  # noqa: F401 - its defaults

    settings = yaml.safe_load((DEPLOY / "dask.yaml").read_text())

    def leaves(tree, path=()):
        for key, value in tree.items():
            yield from leaves(value, (*path, key)) if isinstance(value, dict) else [((*path, key), value)]

    found = {".".join(path): value for path, value in leaves(settings)}
    known = {".".join(path) for path, _ in leaves(yaml.safe_load(_defaults()))}
    own = {name for name in found if name.startswith("distributed.nanny.pre-spawn-environ.")}
    assert set(found) - own <= known
    assert found["distributed.deploy.lost-worker-timeout"] == "120s"
    assert found["distributed.scheduler.no-workers-timeout"] == "300s"
    assert found["distributed.scheduler.worker-ttl"] == "60s"


def _defaults() -> str:
    import distributed

    return (Path(distributed.__file__).parent / "distributed.yaml").read_text()


def test_a_scheduler_and_a_worker_take_the_settings():
    code = """if True:
        from distributed import LocalCluster, Client
        import dask, os
        asked = ("distributed.scheduler.no-workers-timeout", "distributed.worker.memory.terminate")
        if __name__ == "__main__":
            with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
                of_worker, = client.run(lambda: [dask.config.get(name) for name in asked] + [os.environ["GDAL_CACHEMAX"]]).values()
                of_scheduler = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.no_workers_timeout)
                print(of_worker, of_scheduler)
    """
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"DASK_CONFIG": str(DEPLOY / "dask.yaml")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "['300s', 0.95, '64'] 300", done.stderr


# -- Slurm ---------------------------------------------------------------------------------------------------------


def test_the_job_that_slurm_gets(tmp_path):
    pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue")
    pytest.importorskip("cryptography", reason="needs cryptography")
    script = DEPLOY / "slurm/with_slurm.py"
    options = ["--cores", "8", "--memory", "32GiB", "--walltime", "02:00:00", "--partition", "long", "--account", "me"]
    done = subprocess.run(
        [sys.executable, script, *options, "--directive=--constraint=avx2", "--local", "/scratch", "--show", "--", "info"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    directives = set(re.findall(r"^#SBATCH (.+)$", done.stdout, re.MULTILINE))
    assert directives >= {"-p long", "-A me", "--cpus-per-task=8", "--mem=32G", "-t 02:00:00", "--constraint=avx2"}
    (command,) = re.findall(r"^.*dask_worker tls://.*$", done.stdout, re.MULTILINE)
    for words in ("--nthreads 8", "--preload insarray.preload", "--tls-ca-file", "--local-directory /scratch"):
        assert words in command
    assert "umask 077" in done.stdout
    assert not list(tmp_path.glob(".dask-jobqueue*"))  # the certificates go with the run


def test_the_batch_script_ends_with_its_time_and_leaves_no_certificates():
    text = (DEPLOY / "slurm/insarray.sbatch").read_text()
    assert "#SBATCH --signal=B:TERM@120" in text
    assert "umask 077" in text
    assert "trap cleanup EXIT" in text
