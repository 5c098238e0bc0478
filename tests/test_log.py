"""The logger ``insarray``: a line a step, what was decided on demand, and nothing printed."""

import logging

import pytest
from click.testing import CliRunner

import insarray as ia
from insarray.__main__ import cli
from insarray.cli.process import run_command
from insarray.simulate.stacks import simulate_stack, write_geotiffs


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    stack, _ = simulate_stack(shape=(12, 16), n_dates=5, missing=0.0, water=False)
    write_geotiffs(stack, folder / "ifgs")
    return folder


@pytest.fixture
def logger():
    """The logger, left as it was found."""
    found = logging.getLogger("insarray")
    before = found.level, list(found.handlers)
    yield found
    found.setLevel(before[0])
    found.handlers[:] = before[1]


def chain(files, url):
    stack = ia.open_stack(str(files / "ifgs/*.unw.tif"), wavelength=0.056)
    stack = ia.select_pairs(stack, max_temporal_baseline=1000)
    reference = ia.find_reference(stack)
    series = ia.invert(stack, reference=reference)
    ia.run(series.merge(ia.fit(series)), url, workers=1)
    ia.to_netcdf(ia.open(url), f"{url}.nc")
    return stack.sizes["pair"], reference


def test_a_line_a_step(files, tmp_path, caplog, capsys):
    with caplog.at_level(logging.INFO, logger="insarray"):
        pairs, reference = chain(files, str(tmp_path / "o.zarr"))
    assert {record.name.partition(".")[0] for record in caplog.records} == {"insarray"}
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "open_stack", "select_pairs", "find_reference", "invert", "fit", "run", "run", "open", "to_netcdf",
    ]  # fmt: skip
    assert caplog.messages[0] == f"open_stack: generic, {pairs} pairs of 5 dates, 12 x 16 pixels"
    assert caplog.messages[2] == f"find_reference: row {reference[0]}, column {reference[1]}"
    assert caplog.messages[3] == f"invert: {pairs} pairs of 5 dates, norm l2, weights none"
    assert "1 blocks in" in caplog.messages[6]
    assert capsys.readouterr() == ("", "")


def test_what_was_decided_at_debug(files, tmp_path, caplog):
    with caplog.at_level(logging.DEBUG, logger="insarray"):
        pairs, _ = chain(files, str(tmp_path / "o.zarr"))
    decided = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert any(
        text.startswith(f"invert: {pairs - 4} redundant pairs, network in 1 piece(s); gap nan") for text in decided
    )
    assert any(text.startswith("run: fingerprint ") for text in decided)


def test_silent_unless_asked(files, tmp_path, caplog):
    chain(files, str(tmp_path / "o.zarr"))
    assert [record for record in caplog.records if record.name.startswith("insarray")] == []


@pytest.mark.parametrize(("flags", "steps", "decisions"), [((), 0, 0), (("-v",), 1, 0), (("-vv",), 1, 1)])
def test_verbose_commands_say_it_on_stderr(logger, files, flags, steps, decisions):
    arguments = [*flags, "info", str(files / "ifgs/*.unw.tif"), "--wavelength", "0.056"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0
    assert done.stderr.count("open_stack: generic") == steps
    assert done.stderr.count("open_stack: recognised by") == decisions
    assert "open_stack" not in done.stdout


def test_what_a_command_prints_of_its_log_is_for_that_command_alone(logger, files):
    """A notebook or a test goes on in the same process; the stream may be closed by then."""
    before = list(logger.handlers), logger.level
    assert run_command(["-vv", "info", str(files / "ifgs/*.unw.tif"), "--wavelength", "0.056"]) == 0
    assert (logger.handlers, logger.level) == before
