"""Every command of README and Getting started runs as it is written on the files of the demo, or is marked illustrative."""

import shlex
from pathlib import Path

import pytest

from insarray.cli import demo
from insarray.cli.process import run_command
from tests.test_docs import ROOT, blocks


def shell_lines(page: str) -> list[tuple[list[str], bool]]:
    """Words of every line of the bash blocks, and whether the comment above marks it as illustrative."""
    found = []
    for block in blocks((ROOT / page).read_text(), "bash"):
        illustrative = False
        comments: list[str] = []
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("#"):
                comments.append(line)
                illustrative = any("illustrative" in comment for comment in comments)
            elif line.strip():
                comments = []
                found += [(shlex.split(part, comments=True), illustrative) for part in line.split("&&")]
            else:
                comments, illustrative = [], False
    return [(words, marked) for words, marked in found if words[0] == "insarray"]


@pytest.fixture(scope="module")
def interferograms(tmp_path_factory):
    """What the demo leaves, of a smaller scene."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "_SHAPE", (140, 120))
        assert run_command(["demo", str(folder / "insarray-demo")]) == 0
    return folder / "insarray-demo/interferograms"


def with_wavelength(text: str) -> str:
    """The file of `insarray config`, edited as the pages say."""
    assert "\n  # wavelength: " in text
    return text.replace("# wavelength: ", "wavelength: 0.05546576", 1)


@pytest.mark.parametrize("page", ["README.md", "docs/getting_started.md"])
def test_every_command_runs_as_it_is_written(page, interferograms, tmp_path, monkeypatch, capsys):
    (tmp_path / "ifgs").symlink_to(interferograms)
    monkeypatch.chdir(tmp_path)
    lines = shell_lines(page)
    assert len(lines) > 20
    assert sum(marked for _, marked in lines) <= 4
    for words, marked in lines:
        if marked or words[1] == "demo":
            continue
        arguments = words[1 : words.index(">")] if ">" in words else words[1:]
        capsys.readouterr()
        code = run_command(arguments)
        output, errors = capsys.readouterr()
        assert code == 0, f"{' '.join(words)}: {errors}"
        if ">" in words:
            Path(words[-1]).write_text(with_wavelength(output))


def test_illustrative_commands_are_seen():
    marked = [" ".join(words[:2]) for words, marked in shell_lines("README.md") if marked]
    assert marked == ["insarray links", "insarray plot", "insarray unwrap", "insarray join"]
    ready = [words[1] for words, marked in shell_lines("README.md") if not marked]
    assert {"info", "closure", "invert", "fit", "report", "export", "run"} <= set(ready)
