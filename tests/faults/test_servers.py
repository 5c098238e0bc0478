"""An object store that fails now and then, and one that does not come back; a server of moto behind a fault."""

import json
import threading
import warnings

import fsspec
import pytest

from insarray.engine.run import workers
from insarray.engine.run.runner import run
from insarray.engine.store import account as account_module
from insarray.engine.store import retry
from insarray.engine.store.ledger import COPIED, Ledger
from insarray.engine.store.zarr_store import Store, open_store
from insarray.model.errors import FileError, InsarrayError
from tests.faults.scene import BLOCKS, job

pytest.importorskip("s3fs", reason="needs s3fs")
moto_server = pytest.importorskip("moto.server", reason="needs moto[server]")

# sessions of the server's clients, which their library leaves open
pytestmark = [
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class FaultyServer:
    """moto's application, which refuses some requests by their number."""

    def __init__(self) -> None:
        self._application = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
        self._lock = threading.Lock()
        self._requests = 0
        self._under_way = 0
        self.asked: list[str] = []
        self.at_once = 0
        self.every = 0
        self.dead = False
        self.bucket = ""
        self.refused: dict[str, int] = {"500": 0, "503": 0, "connection dropped": 0}

    def __call__(self, environ, start_response):
        with self._lock:
            self._requests += 1
            number = self._requests
            self._under_way += 1
            self.at_once = max(self.at_once, self._under_way)
            self.asked.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']}")
        try:
            return self._answer(environ, start_response, number)
        finally:
            with self._lock:
                self._under_way -= 1

    def _answer(self, environ, start_response, number):
        if self.dead or (self.every and number % self.every == 0):
            kind = "503" if self.dead else list(self.refused)[number // self.every % 3]
            self.refused[kind] += 1
            if kind == "connection dropped":
                environ["werkzeug.socket"].shutdown(2)
                return [b""]
            start_response(f"{kind} Server Error", [("Content-Length", "0")])
            return [b""]
        return self._application(environ, start_response)

    def put(self, name: str, content: dict) -> None:
        """Put an object into the bucket, without a request."""
        from moto.s3.models import s3_backends

        bucket = self.bucket.removeprefix("s3://")
        s3_backends["123456789012"]["aws"].put_object(bucket, name, json.dumps(content).encode())

    def count(self, part: str) -> int:
        """How many requests have this in them, since it was asked last; one that was repeated on a busy machine is one."""
        asked, self.asked = self.asked, []
        return len({request for request in asked if part in request})


@pytest.fixture
def server(monkeypatch):
    from werkzeug.serving import make_server

    faulty = FaultyServer()
    listening = make_server("127.0.0.1", 0, faulty, threaded=True)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{listening.port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "3",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(retry, "PAUSES", (0.05, 0.1, 0.2))
    fsspec.filesystem("s3").clear_instance_cache()
    faulty.bucket = f"s3://stack-{listening.port}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(faulty.bucket)
    yield faulty
    faulty.dead, faulty.every = False, 0
    listening.shutdown()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fsspec.filesystem("s3").clear_instance_cache()


def test_a_server_that_fails_now_and_then(server, tmp_path, account):
    server.every = 23
    url = f"{server.bucket}/o.zarr"
    assert run(job(tmp_path / "t"), url, workers=2).computed == BLOCKS
    assert min(server.refused.values()) > 0
    server.every = 0
    run(job(tmp_path / "t"), str(tmp_path / "o.zarr"))
    stored, expected = open_store(url), open_store(str(tmp_path / "o.zarr"))
    for name in expected.variables:
        assert stored[name].values.tobytes() == expected[name].values.tobytes(), name
    assert Store(url).verify() == BLOCKS
    number = sum(server.refused.values())
    account("S3 server: 500, 503, dropped connections", "every 23rd request", number, 0, "same bits")


@pytest.mark.slow
def test_a_server_that_does_not_come_back(server, tmp_path, account):
    url = f"{server.bucket}/o.zarr"

    def die(finished, _):
        server.dead = finished >= 3

    with pytest.raises(InsarrayError, match=r"o\.zarr") as caught:
        run(job(tmp_path / "t"), url, workers=2, progress=die)
    assert "\n" not in str(caught.value)
    server.dead = False
    done = len(Store(url).done())
    assert 3 <= done < BLOCKS
    fsspec.filesystem("s3").rm_file(f"{url}/_insarray/lock")  # it could not be removed
    assert run(job(tmp_path / "t"), url, workers=2).computed == BLOCKS - done
    account(
        "S3 server that does not come back",
        "503 to everything from block 3 on",
        1,
        "the running ones",
        f"exit {caught.value.exit_code}, one line; resumed",
    )


@pytest.mark.slow
def test_a_restart_on_a_server_that_fails_now_and_then(server, tmp_path, account):
    url = f"{server.bucket}/o.zarr"
    run(job(tmp_path / "t", gap="nan"), url, workers=2)
    server.every = 23
    run(job(tmp_path / "t"), url, workers=2, resume=False)
    server.every = 0
    run(job(tmp_path / "t"), str(tmp_path / "o.zarr"))
    stored, expected = open_store(url), open_store(str(tmp_path / "o.zarr"))
    assert all(stored[name].values.tobytes() == expected[name].values.tobytes() for name in expected.variables)
    assert Store(url).verify() == BLOCKS
    assert fsspec.filesystem("s3").ls(server.bucket, refresh=True, detail=False) == [url.removeprefix("s3://")]
    number = sum(server.refused.values())
    account("restart on a server: 500, 503, dropped connections", "every 23rd request", number, 0, "the new store, same bits")  # fmt: skip


def test_a_full_disk_is_not_tried_again(monkeypatch):
    calls = []

    def full():
        calls.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(retry, "PAUSES", (0.01,))
    for url in ("/data/o.zarr", "s3://bucket/o.zarr"):
        with pytest.raises(OSError, match="No space"):
            retry.with_retries(full, url)
    assert len(calls) == 2


def test_a_block_is_tried_again_on_a_server(monkeypatch, tmp_path, account):
    """What the client of the server gives up is tried again; on a disk of this machine it is an error."""
    refusals = []

    def refusing(*arguments):
        if len(refusals) < 3:
            refusals.append(1)
            raise OSError(5, "Input/output error")
        return write(*arguments)

    write = workers.write_block
    monkeypatch.setattr(retry, "PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr(workers, "write_block", refusing)
    try:
        assert run(job(tmp_path / "t"), "memory://faults/o.zarr", workers=1).computed == BLOCKS
    finally:
        fsspec.filesystem("memory").store.clear()
    assert len(refusals) == 3
    refusals.clear()
    with pytest.raises(InsarrayError, match="Input/output error at block"):
        run(job(tmp_path / "t"), str(tmp_path / "o.zarr"), workers=1)
    account("block that a server refuses", "three times; on a disk once", 4, 0, "written; on a disk an error")


def test_an_input_is_read_again_from_a_server(monkeypatch, account):
    monkeypatch.setattr(retry, "PAUSES", (0.01,))
    for name, tried in (("s3://bucket/a.tif", 2), ("/data/a.tif", 1)):
        calls = []

        def unreadable(name=name, calls=calls):
            calls.append(1)
            raise FileError(f"{name}: cannot be reached (503)")

        with pytest.raises(FileError):
            retry.with_retries(unreadable, "/data/o.zarr")
        assert len(calls) == tried
    account("input that a server refuses", "503", 1, 0, "read again; of a disk once")


# -- the ledger in few requests --------------------------------------------------------------------------------------------


def record_of(block, **changed):
    statistics = {"pixels": 4, "valid_pixels": 3, "bytes": 16, "sums": {"velocity": [3, 0.5]}, "counts": {}}
    return {
        "block": list(block),
        "fingerprint": "f",
        "checksums": {},
        "seconds": 1.0,
        "statistics": statistics,
    } | changed


def test_thousands_of_records_are_read_in_few_round_trips(server, account):
    """10,000 records take 10 requests that list them and 40 that read copies, one after the other or not; not 10,000.

    With another process for the server, on two cores with a load of 13: 15 s, of which it takes 14 to list them; 218 s
    without copies. From a local disk 3 s.
    """
    blocks = [(k // 50, k % 50) for k in range(10 * COPIED + 40)]
    for block in blocks:
        server.put(f"o.zarr/_insarray/blocks/{block[0]}.{block[1]}.json", record_of(block))
    for part in range(10):
        copied = [record_of(block) for block in blocks[part * COPIED : (part + 1) * COPIED]]
        server.put(f"o.zarr/_insarray/copies/{part}.json", {"records": copied})
    job = {"fingerprint": "f", "rows": [1] * 52, "cols": [1] * 50, "state": "unfinished"}
    server.put("o.zarr/_insarray/job.json", job)
    store = Store(f"{server.bucket}/o.zarr")
    server.count("")
    found = store.records()
    assert found.keys() == set(blocks)
    assert found == {block: record_of(block) for block in blocks}
    requests = list(server.asked)
    lists = sum("list-type=2" in request for request in requests)
    assert lists == 3 + 1
    assert len(requests) - lists <= 2 + 10 + 40  # the job, the copies, and what has no copy
    assert server.at_once >= 4  # as many as the client has connections, 10, if the server gets to them
    server.count("")
    assert store.records(found) == found  # again, by a run that has them: nothing but the lists
    assert len(server.asked) <= lists + 2 + 10
    report = store.report()
    assert (report["blocks"], report["pixels"], report["means"]) == (
        len(blocks),
        4 * len(blocks),
        {"velocity": 0.5 / 3},
    )
    account("ledger of 2600 records on a server", "read by a resumed run", 1, 0, f"{len(requests)} requests")


def test_a_run_copies_its_records_and_reads_none(server, tmp_path, monkeypatch):
    """Threads here, and the processes of a cluster in `test_workers`; a resumed run reads those of the blocks before."""
    monkeypatch.setattr(account_module, "COPIED", 4)
    url = f"{server.bucket}/o.zarr"

    def stop(finished, _):
        if finished == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(job(tmp_path / "t"), url, workers=1, progress=stop)
    assert server.count("GET /" + url[5:] + "/_insarray/blocks/") == 0
    done = Store(url).done()
    assert 6 <= len(done) < BLOCKS
    assert server.count("/_insarray/blocks/") == len(done) - 6  # of a block that was under way
    report = run(job(tmp_path / "t"), url, workers=2)
    assert report.computed == BLOCKS - len(done)
    assert server.count("GET /" + url[5:] + "/_insarray/blocks/") == len(done) - 6
    assert report.statistics == Store(url).report()
    assert server.count("/_insarray/blocks/") == 0
    assert Store(url).verify() == BLOCKS
    assert server.count("GET /" + url[5:] + "/_insarray/blocks/") == len(done) - 6
    run(job(tmp_path / "t"), str(tmp_path / "o.zarr"))
    calm = Store(str(tmp_path / "o.zarr")).report()
    assert {**report.statistics, "seconds": 0} == {**calm, "seconds": 0}


def test_copies_do_not_outlive_their_records(account):
    """A discarded block is not done because a copy of its record is left."""
    url = "memory://ledger/o.zarr"
    try:
        ledger = Ledger(Store(url).files)
        for block in ((0, 0), (0, 1)):
            ledger.write(record_of(block))
        ledger.copy({block: record_of(block) for block in ((0, 0), (0, 1))})
        assert ledger.records("f").keys() == {(0, 0), (0, 1)}
        assert ledger.records("another") == {}
        ledger._files.remove("_insarray/blocks/0.1.json")
        assert ledger.records("f").keys() == {(0, 0)}
        ledger.discard([(0, 0)])
        assert ledger.records("f") == {}
        ledger.write(record_of((0, 0), seconds=2.0))
        assert ledger.records("f")[0, 0]["seconds"] == 2.0
    finally:
        fsspec.filesystem("memory").store.clear()
    account("discarded block whose record was copied", "object store", 2, 2, "computed again")
