"""An object store that fails now and then, and one that does not come back; a server of moto behind a fault."""

import threading
import warnings

import fsspec
import pytest

from insarray.engine import retry, workers
from insarray.engine.run import run
from insarray.engine.store import Store, open_store
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
        self.every = 0
        self.dead = False
        self.bucket = ""
        self.refused: dict[str, int] = {"500": 0, "503": 0, "connection dropped": 0}

    def __call__(self, environ, start_response):
        with self._lock:
            self._requests += 1
            number = self._requests
        if self.dead or (self.every and number % self.every == 0):
            kind = "503" if self.dead else list(self.refused)[number // self.every % 3]
            self.refused[kind] += 1
            if kind == "connection dropped":
                environ["werkzeug.socket"].shutdown(2)
                return [b""]
            start_response(f"{kind} Server Error", [("Content-Length", "0")])
            return [b""]
        return self._application(environ, start_response)


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


def test_a_full_disk_is_not_tried_again(monkeypatch):
    calls = []

    def full():
        calls.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(retry, "PAUSES", (0.01,))
    for url in ("/data/o.zarr", "s3://bucket/o.zarr"):
        with pytest.raises(OSError, match="No space"):
            retry.patiently(full, url)
    assert len(calls) == 2


def test_a_block_is_tried_again_on_a_server(monkeypatch, tmp_path):
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


def test_an_input_is_read_again_from_a_server(monkeypatch):
    monkeypatch.setattr(retry, "PAUSES", (0.01,))
    for name, tried in (("s3://bucket/a.tif", 2), ("/data/a.tif", 1)):
        calls = []

        def unreadable(name=name, calls=calls):
            calls.append(1)
            raise FileError(f"{name}: cannot be reached (503)")

        with pytest.raises(FileError):
            retry.patiently(unreadable, "/data/o.zarr")
        assert len(calls) == tried
