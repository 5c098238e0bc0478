"""Workers that die, hang, take too much memory or lag behind; threads that hang; a run that is interrupted."""

import os
import signal
import threading
import time

import dask
import pytest

from insarray.engine.jobs import Jobs, fingerprint
from insarray.engine.plan import plan_run
from insarray.engine.run import cluster as cluster_module
from insarray.engine.run import workers as workers_module
from insarray.engine.run.runner import run
from insarray.engine.run.workers import BlockJob, this_process, work
from insarray.engine.store.zarr_store import Store
from insarray.model.errors import ClusterError, PartialRunError
from tests.faults.scene import BLOCKS, attempts, job, state, trouble
from tests.stores import contents


@pytest.fixture(scope="module")
def client():
    """Two worker processes of one thread, of a scheduler that leaves the second chance to insarray.

    With Dask's own 15 s, a LocalCluster gives up for good a worker that a busy machine restarts more slowly.
    """
    from distributed import Client, LocalCluster

    settings = {
        **cluster_module._SETTINGS,
        **cluster_module._LOST_WORKER,
        "distributed.scheduler.no-workers-timeout": "300s",
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2, threads_per_worker=1, memory_limit="1.2GB", dashboard_address="127.0.0.1:0", silence_logs=60
        ) as cluster,
        Client(cluster) as found,
    ):
        yield found


def test_workers_killed_in_mid_block(client, tmp_path, calm, account):
    """Both at once, and later one."""
    dataset, out = job(tmp_path / "t"), tmp_path / "o.zarr"
    trouble(tmp_path / "t", None, "sleep 0.3")
    stuck = trouble(tmp_path / "t", (0, 3), "hang")
    killed = []

    def begun():
        return sum(attempts(tmp_path / "t", (i, j)) for i in range(3) for j in range(4))

    def kill(finished, _):
        if finished in (3, 7):
            numbers = list(client.run(os.getpid).values())
            if finished == 3:  # the block that hangs is under way, whatever the others are doing
                while not attempts(tmp_path / "t", (0, 3)):
                    time.sleep(0.01)
                stuck.unlink()
            for number in numbers[: 2 if finished == 3 else 1]:
                os.kill(number, signal.SIGKILL)
                killed.append(number)

    assert run(dataset, str(out), client=client, progress=kill).computed == BLOCKS
    assert len(killed) == 3
    assert contents(out) == calm
    again = begun() - BLOCKS
    assert again >= 1
    account("workers killed in mid-block", "SIGKILL to both at once, then to one", 3, again, "same bits")


def test_poison_hang_and_memory_bomb_are_listed_and_nothing_else(client, tmp_path, calm, account):
    """Each dies twice, the second time alone; their neighbours are done."""
    dataset, out = job(tmp_path / "t"), tmp_path / "o.zarr"
    bad = {(0, 2): "kill", (1, 1): "hang", (2, 0): "memory"}
    files = [trouble(tmp_path / "t", block, what) for block, what in bad.items()]
    started = time.monotonic()
    with pytest.raises(PartialRunError, match="3 of 12 blocks failed") as caught:
        run(dataset, str(out), client=client, block_timeout=10)
    assert time.monotonic() - started < 240
    assert all(str(block) in str(caught.value) for block in bad)
    assert caught.value.exit_code == 4
    assert Store(str(out)).done() == {(i, j) for i in range(3) for j in range(4)} - set(bad)
    for block, what in bad.items():  # innocent or not, beside another's death it may have been begun once more
        assert 2 <= attempts(tmp_path / "t", block) <= 3, what
    for file in files:
        file.unlink()
    assert run(dataset, str(out), client=client).computed == 3
    assert contents(out) == calm
    account(
        "block that always kills its worker (poison)", "SIGKILL to itself, always", 2, 1, "exit 4, listed; rest done"
    )
    account("hung block, worker process", "sleeps for ever; --block-timeout", 2, 1, "exit 4, listed; rest done")
    account("memory bomb", "allocates up to the worker's limit", 2, 1, "exit 4, listed; rest done")


def test_interrupted_with_a_client_of_the_users(client, tmp_path, calm, account):
    """When the call returns no task of it can write any more, though blocks are still being computed."""
    dataset, out = job(tmp_path / "t"), tmp_path / "o.zarr"
    slow = trouble(tmp_path / "t", None, "sleep 1")

    def interrupt(finished, _):
        if finished == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dataset, str(out), client=client, progress=interrupt)
    left = state(out)
    with Store(str(out)).lock():
        time.sleep(2.5)  # the blocks that were being computed have come to their end
        assert state(out) == left
    slow.unlink()
    remaining = BLOCKS - len(Store(str(out)).done())
    assert run(dataset, str(out), client=client).computed == remaining
    assert contents(out) == calm
    account(
        "interrupted, with the user's client",
        "exception while blocks are computed",
        1,
        "the running ones",
        "nothing written afterwards; same bits",
    )


def test_a_thread_that_hangs_does_not_keep_the_others(tmp_path, calm, account):
    dataset, out = job(tmp_path / "t"), tmp_path / "o.zarr"
    file = trouble(tmp_path / "t", (1, 1), "hang")
    with pytest.raises(PartialRunError, match=r"1 of 12 blocks failed.*\(1, 1\): BlockTimeoutError"):
        run(dataset, str(out), scheduler="threads", workers=2, block_timeout=5)
    file.unlink()
    assert run(dataset, str(out), scheduler="threads", workers=2).computed == 1
    assert contents(out) == calm
    account("hung block, thread", "sleeps for ever; --block-timeout", 1, 1, "exit 4, listed; rest done")


def test_all_threads_hang(tmp_path, account):
    dataset = job(tmp_path / "t")
    trouble(tmp_path / "t", None, "hang")
    with pytest.raises(ClusterError, match="every thread hangs"):
        run(dataset, str(tmp_path / "o.zarr"), scheduler="threads", workers=2, block_timeout=1)
    account("all threads hang", "sleep for ever; --block-timeout", 1, 0, "exit 5")


def test_no_worker_ever_comes(tmp_path, account):
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as nobody,
        dask.config.set({"distributed.scheduler.no-workers-timeout": "3s"}),
        pytest.raises(ClusterError, match="no worker has been there for 3 s"),
    ):
        run(job(tmp_path / "t"), str(tmp_path / "o.zarr"), client=nobody)
    account("all workers gone for good", "a cluster without workers", 1, 0, "exit 5 after the no-workers timeout")


def test_nothing_moves_any_more(tmp_path, monkeypatch, account):
    """Workers in the process of the run cannot be ended; the run ends instead."""
    from distributed import Client, LocalCluster

    monkeypatch.setattr(workers_module, "work", lambda *_: time.sleep(6))
    monkeypatch.setattr(cluster_module, "work", lambda *_: time.sleep(6))
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as inside,
        pytest.raises(ClusterError, match="nothing has been finished"),
    ):
        run(job(tmp_path / "t"), str(tmp_path / "o.zarr"), client=inside, block_timeout=0.5)
    account("no block is finished any more", "workers that cannot be ended", 1, 0, "exit 5")


@pytest.mark.slow
def test_a_straggler_and_its_double_write_the_same_bytes(tmp_path, calm, account):
    """Every block worked on by two threads at once, into one store."""
    dataset, url = job(tmp_path / "t"), str(tmp_path / "o.zarr")
    trouble(tmp_path / "t", None, "sleep 0.05", times=1)
    plan, identity = plan_run(dataset, 1), fingerprint(dataset)
    jobs, store = Jobs(dataset, plan), Store(url)
    store.create(dataset, plan, identity, {}, "zstd")
    errors: list[BaseException] = []

    def everything():
        try:
            for block in [(i, j) for i in range(3) for j in range(4)]:
                one = BlockJob(
                    url, identity, jobs.names, jobs.block(*block), block, plan.window(*block), "r", 60.0, this_process()
                )
                work(one, jobs.shared)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=everything) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not errors
    store.finalize(store.report() or {})
    assert contents(url) == calm
    assert store.verify() == BLOCKS
    assert not [name for _, _, names in os.walk(url) for name in names if "partial" in name]
    account("straggler and its double", "every block by two at once", 12, 12, "same bits")
