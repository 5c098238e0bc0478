"""Passwords, keys and signatures in URLs: planted everywhere, and looked for in all that is written or printed."""

import io
import logging
import pickle
import shlex
import sys
import time
import traceback
import warnings

import numpy as np
import pytest

import insarray as ia
from insarray.cli.process import run_command
from insarray.cli.say import ShownFormatter
from insarray.model.errors import StackWarning
from insarray.model.secrets import cause_of, identity, shown, shown_values
from insarray.model.streams import ShownStream, filter_output
from insarray.simulate.stacks import simulate_stack, write_geotiffs
from tests.io.web import served

SECRET = "TOPSECRET"
SHAPES = {
    "password": "http://user:{secret}@{host}/{name}",
    "signature": "http://{host}/{name}?X-Amz-Credential=A%2F{secret}%2Fx&X-Amz-Signature={secret}&x=.tif",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stack, _ = simulate_stack(shape=(16, 16), n_dates=4, water=False)
    write_geotiffs(stack, tmp_path / "in")
    yield tmp_path
    logging.getLogger("insarray").handlers.clear()
    logging.getLogger("insarray").setLevel(logging.NOTSET)


def found_in(folder) -> list[str]:
    """Files below a folder, other than the inputs, that hold the secret."""
    files = [path for path in folder.rglob("*") if path.is_file() and "in" not in path.relative_to(folder).parts[:1]]
    return [str(path) for path in files if SECRET.encode() in path.read_bytes()]


def urls(folder, base: str, shape: str, secret: str = SECRET, kind: str = "unw") -> list[str]:
    host = base.removeprefix("http://")
    names = sorted(path.name for path in (folder / "in").glob(f"*.{kind}.tif"))
    return [SHAPES[shape].format(secret=secret, host=host, name=name) for name in names]


@pytest.mark.parametrize("shape", SHAPES)
def test_no_command_keeps_or_prints_a_secret(shape, folder, capfd, monkeypatch, account):
    commands = 0

    def command(*words: object, code: int = 0) -> None:
        nonlocal commands
        arguments = [str(word) for word in words]
        monkeypatch.setattr(sys, "argv", ["insarray", *arguments])
        commands += 1
        assert run_command(arguments) == code, capfd.readouterr()

    with served(folder / "in") as base:
        files, others = urls(folder, base, shape), urls(folder, base, shape, "ANOTHER")
        how = ("--wavelength", 0.0555, "--reference", "4,4")
        command("-vv", "info", *files, "--wavelength", 0.0555)
        command("info", *files, "--wavelength", 0.0555, "--json")
        command("invert", *files, "dry.zarr", *how, "--dry-run")
        command("-vv", "invert", *files, "series.zarr", *how)
        capfd_text = capfd.readouterr()
        assert SECRET not in capfd_text.out + capfd_text.err
        command("invert", *others, "series.zarr", *how)  # the same files
        assert "0 of 1 blocks computed" in capfd.readouterr().out
        command("closure", *files, "loops.zarr", "--wavelength", 0.0555)
        command("residuals", *files, "series.zarr", "--wavelength", 0.0555)
        command("average", *files, "mean.zarr", "--wavelength", 0.0555, "--layer", "unwrapped_phase")
        command("fit", *files, "fit.zarr", *how)
        command("fit", "series.zarr", "model.zarr")
        command("status", "series.zarr", "--json")
        command("report", "series.zarr", "report.html")
        command("export", "series.zarr", "velocity.tif")
        command("export", "series.zarr", "series.nc")
        command("plot", "velocity", "series.zarr", "velocity.png")
        command("invert", *files[:-1], "series.zarr", *how, code=6)
        listed = "\n".join(f"    - {shlex.quote(file)}" for file in files)
        (folder / "in" / "run.yaml").write_text(
            f"stack:\n  files:\n{listed}\n  wavelength: 0.0555\ninvert:\n  reference: 4,4\n"
        )
        command("run", "in/run.yaml", "--dry-run")
        command("run", "in/run.yaml")
        missing = files[0].replace(".unw.tif", ".none.tif", 1)
        command("-vv", "invert", missing, "none.zarr", *how, code=2)
        command("invert", files[0].replace(".tif", ".odd"), "none.zarr", *how, code=2)
        command("invert", *files, "--coherence", missing, "none.zarr", *how, code=2)
        command("fit", *files, "none.zarr", *how, "--area", missing, code=2)
    command("invert", *files, "gone.zarr", *how, code=2)  # no server any more
    command("report", files[0], "none.html", code=2)
    said = capfd.readouterr()
    assert SECRET not in said.out + said.err
    assert found_in(folder) == []
    account(
        f"{shape} in the URLs of inputs", f"{commands} commands, -vv, errors", commands, 0, "neither printed nor stored"
    )


def test_attributes_of_a_dataset_are_written_without_secrets(folder, account):
    """Whatever the user or another package has put there."""
    stack = ia.open_stack(f"{folder}/in/*.unw.tif", wavelength=0.0555)
    series = ia.invert(stack, reference=(4, 4))
    result = series.merge(ia.fit(series))
    result.attrs |= {
        "source_files": [f"s3://KEY:{SECRET}@bucket/a.tif", f"https://h/a.tif?sig={SECRET}"],
        "storage_options": f'{{"key": "{SECRET}"}}',
        "session_token": SECRET,
    }
    result.velocity.attrs["comment"] = f"from https://user:{SECRET}@h/a.tif"
    ia.run(result, "out.zarr", command=f"x https://h/a?token={SECRET}")
    ia.to_netcdf(result, "out.nc")
    ia.to_cog(result.velocity, "out.tif", attrs=result.attrs)
    ia.to_mintpy(result, "mintpy")
    ia.report(result, "out.html", title=f"https://u:{SECRET}@h/")
    assert found_in(folder) == []
    kept = ia.open("out.zarr").attrs["source_files"]
    assert kept == ["s3://***@bucket/a.tif", "https://h/a.tif?***"]
    account("secrets in attributes", "store, NetCDF, GeoTIFF, MintPy, report", 5, 0, "not written")


@pytest.mark.parametrize(
    "text",
    [
        f"http://user:{SECRET}@host:80/a.tif: cannot be read",
        f"https://{SECRET}@host/a.tif",
        f"ftp://user:{SECRET}@{SECRET}@host/a",
        f"http://user:a/{SECRET}@host/a",
        f"s3://KEY:{SECRET}/x+y@bucket/a.tif",
        f"/vsis3/KEY:{SECRET}/x@bucket/a.tif",
        f"/vsicurl/https://h/a.tif?token={SECRET}",
        f"'KEY:{SECRET}/x@bucket/a.tif' is not there",
        f"https://h/a.tif?x=1&X-Amz-Signature={SECRET}: (403)",
        f"https://h/a.tif?{SECRET}",
        f"https://h/a.tif#{SECRET}",
        f"https://a.blob.core.windows.net/c/a.tif?sv=1&sig={SECRET}",
        f"abfs://c@a.dfs.core.windows.net/a.tif?sig={SECRET}",
        f"a.tif?AWSAccessKeyId={SECRET}&Expires=1",
        f"a.tif%3FX-Amz-Signature%3D{SECRET}",
        f"{{'key': '{SECRET}', 'secret': '{SECRET}'}}",
        f'{{"storage_options": {{"key": "{SECRET}"}}}}',
        f"Authorization: Bearer {SECRET}",
        f"<Error><AWSAccessKeyId>{SECRET}</AWSAccessKeyId></Error>",
        f"AccountName=a;AccountKey={SECRET};EndpointSuffix=x",
    ],
)
def test_a_text_is_shown_without_its_secret(text):
    once = shown(text)
    assert SECRET not in once
    assert shown(once) == once
    assert SECRET not in str(ia.InsarrayError(text))
    assert SECRET not in repr(pickle.loads(pickle.dumps(ia.InsarrayError(text))))


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/folder/20190105_20190117.unw.tif",
        "s3://bucket/2019????.tif",
        "/data/a@b/secret.tif: is not a raster",
        "--area 1,2,3,4@EPSG:32614 --reference 4:8,3:7",
        "abfs://container@account.dfs.core.windows.net/a.tif",
        'NETCDF:"/a/b.nc":phase',
        "why? because a=b and b: c",
    ],
)
def test_other_text_is_shown_as_it_is(text):
    assert shown(text) == text


def test_values_keep_their_kinds():
    values = {"a": np.arange(2), "b": (1, "x"), "c": [f"http://u:{SECRET}@h"], "token": SECRET, "d": {"password": 1}}
    clean = shown_values(values)
    assert clean["a"] is values["a"]
    assert (clean["b"], clean["c"], clean["token"], clean["d"]) == (
        (1, "x"),
        ["http://***@h"],
        "***",
        {"password": "***"},
    )
    assert shown_values(np.array([f"http://u:{SECRET}@h", "b"])).tolist() == ["http://***@h", "b"]


def test_the_identity_of_a_file_is_that_of_another_signature():
    base = "https://h/get?file=a.tif"
    assert identity(f"{base}&X-Amz-Signature=1&X-Amz-Date=2") == identity(base) == base
    assert identity("https://u:p@h/a.tif?sv=1&sig=2&se=3") == "https://h/a.tif"
    assert identity("https://h/get?file=b.tif") != base
    assert identity("/data/why?.tif") == "/data/why?.tif"


def test_tracebacks_logs_and_streams_of_others_say_no_secret(capsys, account):
    url = f"https://user:{SECRET}@h/a"
    assert cause_of(ValueError("plain")) is not None
    outer = RuntimeError("plain")
    outer.__cause__ = ValueError(url)
    assert cause_of(outer) is None
    assert cause_of(outer.__cause__) is None
    with pytest.raises(ia.InsarrayError) as failed:
        ia.open_stack(f"http://user:{SECRET}@127.0.0.1:1/20190105_20190117.unw.tif")
    assert SECRET not in "".join(traceback.format_exception(failed.value))
    record = logging.makeLogRecord({"msg": "%s\n\x1b[31m", "args": (url,)})
    assert ShownFormatter().format(record) == "https://***@h/a\\n\\x1b[31m"
    ShownStream(sys.stderr).write(url)
    assert capsys.readouterr().err == "https://***@h/a"
    with pytest.warns(StackWarning) as warned:
        warnings.warn(url, StackWarning, stacklevel=1)
    assert SECRET not in str(warned[0].message)
    account("secrets in tracebacks, logs, warnings", "errors of other packages", 5, 0, "not printed")


@pytest.mark.parametrize("text", ["x", "-", "a:", ".a?=", "http://", "x@", "a:b@", "'key': ", "<", "=", "?", ")"])
def test_long_text_takes_no_long_time(text):
    started = time.process_time()
    shown(text * 5_000 + ": = @ ? <")
    assert time.process_time() - started < 5


def test_worker_processes_print_no_secret_and_no_control_character(monkeypatch, account):
    printed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", printed)
    logger = logging.getLogger("distributed.of_the_test")
    logger.addHandler(logging.StreamHandler())  # as Dask sets up before any block
    try:
        filter_output()
        filter_output()
        logger.warning("cannot read https://user:%s@h/a", SECRET)
        print(f"https://h/a?sig={SECRET} \x1b[31m", file=sys.stderr)
    finally:
        logger.handlers.clear()
    assert printed.getvalue() == "cannot read https://***@h/a\nhttps://h/a?*** \\x1b[31m\n"
    account("secrets in the output of workers", "prints and logs of their process", 2, 0, "not printed")
