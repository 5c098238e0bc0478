"""Clients of dask.distributed: the active one is used, a closed or empty one is one line, records need no reading."""

import threading
import time

import dask
import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster

import insarray as ia
from insarray.engine.run import cluster as cluster_module
from insarray.engine.run import workers as workers_module
from insarray.engine.run.append import append
from insarray.engine.store import files as files_module
from insarray.engine.store.zarr_store import Store
from insarray.model.errors import ArgumentError, ClusterError
from tests.engine.test_store_and_run import job
from tests.stacks import stack_of
from tests.stores import contents


def cluster(workers: int = 1) -> LocalCluster:
    return LocalCluster(
        n_workers=workers, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0", silence_logs=60
    )


@pytest.fixture(autouse=True)
def _settings():
    """Dask forgets to take its setting back if a client is closed within its own context."""
    before = dask.config.get("scheduler", None)
    yield
    dask.config.set(scheduler=before)


@pytest.fixture(scope="module")
def address():
    """A cluster in this process."""
    with cluster() as found:
        yield found.scheduler_address


@pytest.fixture
def client(address):
    """The active client."""
    with Client(address) as found:
        yield found


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calm")
    ia.run(job(), str(folder / "o.zarr"), scheduler="threads")
    return contents(folder / "o.zarr"), Store(str(folder / "o.zarr")).report()


def forbidden(*_, **__):
    raise AssertionError("not these workers")


# -- which client -----------------------------------------------------------------------------------------------------------


def test_the_active_client_is_used(client, tmp_path, monkeypatch, calm):
    monkeypatch.setattr(cluster_module, "ThreadWorkers", forbidden)
    ia.run(job(), str(tmp_path / "o.zarr"))
    assert contents(tmp_path / "o.zarr") == calm[0]
    append(ia.invert(stack_of(), reference=(5, 5)), str(tmp_path / "a.zarr"))
    assert Store(str(tmp_path / "a.zarr")).is_complete()


def test_threads_and_dasks_own_settings_are_heeded(client, tmp_path, monkeypatch, calm):
    monkeypatch.setattr(cluster_module, "ClusterWorkers", forbidden)
    ia.run(job(), str(tmp_path / "o.zarr"), scheduler="threads")
    append(ia.invert(stack_of(), reference=(5, 5)), str(tmp_path / "a.zarr"), scheduler="threads")
    with dask.config.set(scheduler="threads"):
        ia.run(job(), str(tmp_path / "p.zarr"))
    assert contents(tmp_path / "o.zarr") == contents(tmp_path / "p.zarr") == calm[0]


def test_a_client_that_is_not_the_default(address, tmp_path, monkeypatch, calm):
    """Dask's own `wait` would ask the default one."""
    with Client(address, set_as_default=False) as mine:
        ia.run(job(), str(tmp_path / "o.zarr"), client=mine)
        assert contents(tmp_path / "o.zarr") == calm[0]
        monkeypatch.setattr(cluster_module, "ClusterWorkers", forbidden)
        ia.run(job(), str(tmp_path / "p.zarr"))


@pytest.mark.parametrize("scheduler", [None, "threads"])
@pytest.mark.parametrize("persisted", ["stack", "series"])
def test_what_was_persisted_on_the_client_is_run(client, tmp_path, calm, persisted, scheduler):
    series = ia.invert(stack_of().persist() if persisted == "stack" else stack_of(), reference=(5, 5))
    made = series.merge(ia.fit(series), combine_attrs="override")
    made = made.persist() if persisted == "series" else made
    assert ia.run(made, str(tmp_path / "o.zarr"), scheduler=scheduler).computed == 12
    assert contents(tmp_path / "o.zarr") == calm[0]


def test_the_memory_of_another_process_is_reached_and_that_of_another_cluster_is_not(tmp_path, calm):
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60) as two,
        Client(two),
    ):
        made = job().persist()
        assert ia.run(made, str(tmp_path / "o.zarr")).computed == 12
        assert contents(tmp_path / "o.zarr") == calm[0]
        with pytest.raises(ArgumentError, match=r"was persisted on the cluster at tcp://.*scheduler='threads'"):
            ia.run(made, str(tmp_path / "p.zarr"), scheduler="local")
        assert not (tmp_path / "p.zarr").exists()


def test_inside_a_task_threads_are_used(tmp_path, calm):
    """Whoever waits for tasks in a task may hold the thread that they need."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as one,
        Client(one) as client,
    ):
        computed = client.submit(lambda: ia.run(job(), str(tmp_path / "o.zarr")).computed, pure=False)
        assert computed.result(timeout=120) == 12
    assert contents(tmp_path / "o.zarr") == calm[0]


@pytest.mark.parametrize("wrong", ["tcp://127.0.0.1:8786", 4, "cluster"])
def test_what_is_no_client(wrong, tmp_path):
    with pytest.raises(ArgumentError, match=r"client: .* is not a client of Dask; give distributed\.Client"):
        ia.run(job(), str(tmp_path / "o.zarr"), client=cluster if wrong == "cluster" else wrong)
    assert not any(tmp_path.iterdir())


def test_an_asynchronous_client(address, tmp_path):
    import asyncio

    dataset = job()

    async def attempt():
        async with Client(address, asynchronous=True) as client:
            with pytest.raises(ArgumentError, match="client: is asynchronous"):
                ia.run(dataset, str(tmp_path / "o.zarr"), client=client)
            with pytest.raises(ArgumentError, match=r"synchronous.*give scheduler='threads'"):
                ia.run(dataset, str(tmp_path / "o.zarr"))

    asyncio.run(attempt())


# -- clients and clusters that go -----------------------------------------------------------------------------------------


def test_a_client_closed_before(address, tmp_path):
    client = Client(address)
    client.close()
    with pytest.raises(ClusterError, match="the Dask client is closed") as lost:
        ia.run(job(), str(tmp_path / "o.zarr"), client=client)
    assert lost.value.exit_code == 5
    assert not any(tmp_path.iterdir())
    assert ia.run(job(), str(tmp_path / "o.zarr")).computed == 12  # it is not the active one any more
    dataset = job()
    with Client(address) as client:
        client.close()  # in its own context, where Dask still takes it for the active one
        with pytest.raises(ClusterError, match="the Dask client is closed"):
            ia.run(dataset, str(tmp_path / "o.zarr"))
    with pytest.raises(ClusterError, match=r"no Client active; give scheduler='threads' or a client"):
        ia.run(dataset, str(tmp_path / "o.zarr"))
    assert ia.run(dataset, str(tmp_path / "o.zarr"), scheduler="threads").computed == 0


@pytest.mark.parametrize("what", ["client", "cluster"])
@pytest.mark.parametrize("how", ["by the run", "from outside"])
def test_closed_in_mid_run(tmp_path, monkeypatch, calm, what, how):
    """One line within seconds, whatever Dask was doing; what is done is kept."""
    compute = workers_module.compute_block
    monkeypatch.setattr(workers_module, "compute_block", lambda *block: (time.sleep(0.2), compute(*block))[1])
    url, begun, closing = str(tmp_path / "o.zarr"), [], []
    with cluster() as mine:
        client = Client(mine)

        def close():
            begun.append(time.monotonic())
            client.close() if what == "client" else mine.close()

        def at_the_third(finished, _):
            if finished == 3 and how == "by the run":
                close()
            elif finished == 3:
                closing.append(threading.Timer(0.05, close))
                closing[0].start()

        with pytest.raises(ClusterError, match="scheduler was lost, or the client closed") as lost:
            ia.run(job(), url, progress=at_the_third)
        assert time.monotonic() - begun[0] < 45
        [thread.join() for thread in closing]
        client.close()
    assert "\n" not in str(lost.value)
    monkeypatch.undo()
    time.sleep(0.5)  # for blocks that were under way in the threads of the cluster
    done = len(Store(url).done())
    assert 3 <= done < 12
    assert ia.run(job(), url).computed == 12 - done
    assert contents(url) == calm[0]


def test_no_worker(tmp_path):
    dataset = job()
    with (
        cluster(0) as empty,
        Client(empty),
        dask.config.set({"distributed.scheduler.no-workers-timeout": "2s"}),
        pytest.raises(ClusterError, match="no worker has been there for 2 s"),
    ):
        ia.run(dataset, str(tmp_path / "o.zarr"))


# -- records ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch):
    """Names of the ledger files that are read."""
    names = []
    original = files_module.StoreFiles.read

    def spy(self, name):
        names.append(name)
        return original(self, name)

    monkeypatch.setattr(files_module.StoreFiles, "read", spy)
    return lambda: [name for name in names if "/blocks/" in name]


@pytest.mark.parametrize("scheduler", ["threads", "client", pytest.param("local", marks=pytest.mark.slow)])
def test_a_run_reads_no_record_of_its_own(address, tmp_path, read, calm, scheduler):
    def stop(finished, _):
        if finished == 5:
            raise KeyboardInterrupt

    with Client(address):
        how = {"workers": 2, "scheduler": None if scheduler == "client" else scheduler}
        report = ia.run(job(), str(tmp_path / "o.zarr"), **how)
        assert read() == []
        assert {**report.statistics, "seconds": 0} == {**calm[1], "seconds": 0}
        with pytest.raises(KeyboardInterrupt):
            ia.run(job(), str(tmp_path / "p.zarr"), progress=stop, **how)
        assert read() == []
        report = ia.run(job(), str(tmp_path / "p.zarr"), **how)
        assert len(read()) == len(set(read())) == 12 - report.computed  # of the blocks before, once
    assert {**report.statistics, "seconds": 0} == {**calm[1], "seconds": 0}
    assert report.statistics == Store(str(tmp_path / "p.zarr")).report()


def test_records_that_are_lost_on_the_way_are_read(client, tmp_path, monkeypatch, read, calm):
    monkeypatch.setattr(cluster_module, "_receive", lambda event: None)
    report = ia.run(job(), str(tmp_path / "o.zarr"))
    assert len(read()) == 12
    assert {**report.statistics, "seconds": 0} == {**calm[1], "seconds": 0}


def test_two_runs_of_one_client_at_once(client, tmp_path, calm):
    reports = {}
    threads = [
        threading.Thread(target=lambda k=k: reports.update({k: ia.run(job(), str(tmp_path / f"{k}.zarr"))}))
        for k in range(2)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for k, report in reports.items():
        assert {**report.statistics, "seconds": 0} == {**calm[1], "seconds": 0}
        assert contents(tmp_path / f"{k}.zarr") == calm[0]
    assert not cluster_module._RECORDS  # nothing is kept


# -- what is found before a run -------------------------------------------------------------------------------------------


def found_at_the_start() -> dict[str, xr.Dataset]:
    stack = stack_of(missing=0.0)
    series = ia.invert(stack, reference=(5, 5))
    rms = [row.rms for row in ia.pair_misfit(stack, series)]
    return {
        "reference": xr.Dataset({"place": ("axis", np.array(ia.find_reference(stack)))}),
        "auto": ia.invert(stack, reference="auto"),
        "area": ia.invert(stack, reference=ia.area(4, 7, 4, 7)),
        "ramp": ia.deramp(series),
        "ramps of pairs": ia.deramp(stack, kind="quadratic", robust=True),
        "misfit": xr.Dataset({"rms": ("pair", np.array(rms))}),
        "cycles": ia.correct_unwrapping(stack, reference=(5, 5)),
        "average": ia.temporal_average(stack, layer="coherence"),
        "closure": ia.closure_summary(ia.closure(stack), maps=True),
        "fit": ia.fit(series, periods=(1.0,)),
    }


def test_what_is_found_at_the_start_is_found_by_a_client_too(client):
    with dask.config.set(scheduler="threads"):
        expected = {name: found.compute() for name, found in found_at_the_start().items()}
    with_client = {name: found.compute() for name, found in found_at_the_start().items()}
    for name, found in with_client.items():
        xr.testing.assert_identical(found, expected[name])
