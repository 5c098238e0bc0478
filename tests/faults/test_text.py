"""Text that is hostile or odd: in names, tables, configurations; what reaches the terminal of it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import insarray as ia
from insarray.cli.main import cli
from insarray.cli.process import run_command
from insarray.io.tables import read_table
from insarray.model.dates import as_time
from insarray.model.errors import ArgumentError, FileError
from insarray.model.numbers import plain_number, plain_whole
from insarray.model.text import one_line, printable
from insarray.simulate.stacks import simulate_stack, write_geotiffs

ESCAPE = "\x1b]0;title\x07\x1b[31m"


@pytest.fixture
def stack():
    return simulate_stack(shape=(16, 16), n_dates=4, water=False)[0]


# -- configurations -------------------------------------------------------------------------------------------------


def aliases(where: str) -> str:
    """YAML of 1 kB that stands for a hundred million entries."""
    lines = [f"{where}:", "  - &a0 [x, x, x, x, x, x, x, x, x, x]"]
    return "\n".join(lines + [f"  - &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 8)])


BOMBS = {
    "aliases": aliases("output"),
    "aliases in a section": "invert:\n  " + aliases("reference").replace("\n", "\n  "),
    "aliases as keys": aliases("x") + "\ninvert: {*a7 : 1}",
    "merged": "a: &a {x: 1}\n" + "\n".join(f"b{k}: &b{k} {{<<: [{', '.join(['*a'] * 200)}]}}" for k in range(300)),
    "itself": "output: &a [*a]",
    "deep": "output: " + "[" * 100_000,
    "deep block": "\n".join(" " * k + "a:" for k in range(500)),
    "deep mapping": "output: " + "{a: " * 5_000,
    "many": "output: [" + "x," * 30_000 + "]",
    "long": "output: " + "x" * 2_000_000,
    "many keys": "\n".join(f"k{k}: 1" for k in range(30_000)),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_configuration_is_bounded(bomb, tmp_path, capsys, account):
    path = tmp_path / "run.yaml"
    path.write_text(BOMBS[bomb] + ("\ninvert: {}\n" if "invert" not in BOMBS[bomb] else "\n"))
    code = run_command(["run", str(path)])
    said = capsys.readouterr()
    assert (code, said.out, said.err.count("\n")) == (2, "", 1)
    assert len(said.err) < 500
    account(f"YAML that is a bomb: {bomb}", "insarray run", 1, 0, "exit 2, one line")


def test_aliases_and_anchors_as_people_use_them(tmp_path):
    from insarray.cli.recipe import read

    path = tmp_path / "run.yaml"
    path.write_text("stack: &s\n  files: a\ninvert:\n  reference: &r 4,4\nfit:\n  of: series\n  reference: *r\n")
    assert read(str(path)).sections["fit"] == {"of": "series", "reference": "4,4"}


# -- numbers --------------------------------------------------------------------------------------------------------

ODD = ["1_000", "٣", "１２", "inf", "-Infinity", "nan", "1e308", "1e999", "0x10", "1 2", "1e", "", "+", "1,5"]


@pytest.mark.parametrize("text", ODD)
def test_a_table_has_numbers_as_people_write_them(text, tmp_path):
    table = tmp_path / "b.csv"
    table.write_text(f'date,bperp_m\n20190105,0\n20190117,"{text}"\n', encoding="utf-8")
    with pytest.raises(FileError, match=r"b.csv, line 3: .*bperp_m") as refused:
        ia.io.baselines.read_baselines(table)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("text", "value"), [("1", 1), (" -1.5 ", -1.5), (".5e1", 5), ("1.D+02", 100), ("+2.", 2)])
def test_numbers_that_are(text, value):
    assert plain_number(text) == value


@pytest.mark.parametrize("text", ["1.5", "1_0", "٣", "", "1e3"])
def test_what_is_no_whole_number(text):
    with pytest.raises(ValueError, match="is not a whole number"):
        plain_whole(text)
    assert plain_whole(" -12 ") == -12


@pytest.mark.parametrize(
    "text", ["٢٠١٩٠١٠٥", "2019٠105", "２０１９０１０５", "2019-01-0５", "2019_01_05_", "20190105\x1b"]
)
def test_a_date_has_digits_of_ascii(text, tmp_path):
    with pytest.raises(ArgumentError, match="is not a date"):
        as_time(text)
    (tmp_path / "t.csv").write_text(f"reference,secondary,unwrapped\n{text},20190117,a.tif\n", encoding="utf-8")
    with pytest.raises(FileError) as refused:
        read_table(tmp_path / "t.csv")
    assert "\x1b" not in str(refused.value)


# -- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_in_another_encoding_is_named(stack, tmp_path):
    write_geotiffs(stack, tmp_path)
    file = next(tmp_path.glob("*.unw.tif"))
    file.rename(tmp_path / os.fsdecode(b"caf\xe9_" + file.name.encode()))
    with pytest.raises(FileError, match=r"its name is not UTF-8; rename the file") as refused:
        ia.open_stack(str(tmp_path / "*.unw.tif"), wavelength=0.0555)
    str(refused.value).encode()


@pytest.mark.parametrize("name", ["run [1]", "a*b", "why?", "[ab]", "[[]x", "a[!b"])
def test_folders_that_look_like_patterns_are_folders(name, stack, tmp_path, capsys):
    folder, twin = tmp_path / name, tmp_path / "run 1"
    write_geotiffs(stack, folder)
    twin.mkdir()
    (twin / "kept").touch()
    opened = ia.open_stack(f"{folder}/*.unw.tif", coherence=f"{folder}/*.cor.tif", wavelength=0.0555)
    assert opened.sizes["pair"] == len(list(folder.iterdir())) // 2 or opened.sizes["pair"] > 0
    series = ia.invert(opened, reference=(4, 4))
    out = folder / "series [1].zarr"
    (folder / "series 1.zarr").mkdir()
    ia.run(series, str(out))
    ia.run(series, str(out), resume=False)
    assert np.isfinite(ia.open(out).displacement.values).any()
    assert (folder / "series 1.zarr").is_dir()
    assert (twin / "kept").exists()
    assert run_command(["status", str(out)]) == 0
    capsys.readouterr()


def test_a_pattern_below_such_a_folder_is_still_one(stack, tmp_path):
    write_geotiffs(stack, tmp_path / "run [1]" / "in")
    assert ia.open_stack(f"{tmp_path}/run [1]/i[mn]/*.unw.tif", wavelength=0.0555).sizes["pair"] > 0


# -- the terminal ---------------------------------------------------------------------------------------------------


def test_control_characters_are_written_out():
    assert printable("a\x1b[31m\x07\x9b\r\tb\n\u202e") == "a\\x1b[31m\\x07\\x9b\\r\tb\n\\u202e"
    assert one_line("a\nb\tc\udc80") == "a\\nb\\tc\\udc80"
    assert printable("Größe 1 °, 日本") == "Größe 1 °, 日本"


def test_no_name_or_attribute_controls_the_terminal(stack, tmp_path, capfd, monkeypatch, account):
    """Of files, folders, tags, variables and options: in errors, notes, tables, logs, plans and pages."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / f"in{ESCAPE}"
    write_geotiffs(stack, folder)
    files = f"{folder}/*.unw.tif"
    out = f"out{ESCAPE}.zarr"
    how = ("--wavelength", "0.0555", "--reference", "4,4")
    (folder / "20190105_20190117.bad.tif").write_bytes(b"II*\0" + b"\x1b" * 50)
    commands = [
        (0, "-vv", "info", files, "--wavelength", "0.0555"),
        (2, "info", f"{folder}/*.bad.tif"),
        (2, "info", f"nothing{ESCAPE}"),
        (2, "info", files, "--area", ESCAPE),
        (2, "info", files, "--product", f"x{ESCAPE}"),
        (2, f"none{ESCAPE}"),
        (0, "invert", files, out, *how, "--dry-run"),
        (0, "-vv", "invert", files, out, *how),
        (0, "status", out),
        (2, "plot", "map", out, "a.png", "--variable", f"v{ESCAPE}"),
        (0, "report", out, "page.html", "--title", f"title{ESCAPE}"),
        (0, "export", out, f"velocity{ESCAPE}.tif", "--variable", "velocity"),
    ]
    for code, *words in commands:
        assert run_command(words) == code, words
        said = capfd.readouterr()
        assert not set("\x1b\x07") & set(said.out + said.err), words
    assert "\x1b" not in (tmp_path / "page.html").read_text()
    account(
        "escape sequences in names and options",
        "12 commands",
        len(commands),
        0,
        "written out, none reaches the terminal",
    )


# -- the process ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 8 GiB"),
        ImportError("x.so: failed to map segment"),
        RuntimeError("can't start new thread"),
    ],
)
def test_too_little_memory_is_one_line(error, monkeypatch, capsys):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(cli, "main", fail)
    assert run_command(["info", "x"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("insarray: memory: there is not enough of it")


def test_a_long_message_is_cut(monkeypatch, capsys, account):
    assert run_command(["info", "x" * 100_000]) == 2
    assert len(capsys.readouterr().err) < 5000
    account("message of 100 kB", "an error", 1, 0, "cut to 4000 characters")


def test_closed_streams(tmp_path, account):
    """As `>&-` in a shell, or a service without a terminal."""
    ia.run(
        ia.invert(ia.simulate_stack(shape=(8, 8), n_dates=4)[0].chunk(), reference=None), tmp_path / "s.zarr", workers=1
    )
    for close, code in ((">&-", 0), (">&- 2>&-", 0)):
        shell = f'"{sys.executable}" -m insarray status "{tmp_path}/s.zarr" {close}'
        ended = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
        assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")
    account("stdout and stderr closed", "insarray status", 2, 0, "exit 0, nothing printed")


@pytest.mark.slow
def test_nothing_depends_on_asserts(tmp_path, account):
    """Under -OO there are neither asserts nor docstrings: the same line, the same code."""
    (tmp_path / "b.yaml").write_text("output: 3\ninvert: {}\n")
    for words in (["info", "none"], ["run", "b.yaml"], ["config", "--schema"]):
        found = [
            subprocess.run(
                [sys.executable, *option, "-m", "insarray", *words],
                cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ},
            )
            for option in ([], ["-OO"])
        ]  # fmt: skip
        assert found[0].returncode == found[1].returncode
        assert found[0].stderr == found[1].stderr
    assert json.loads(found[1].stdout).keys() == json.loads(found[0].stdout).keys()
    account("asserts switched off", "python -O", 1, 0, "the same")
