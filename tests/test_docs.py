"""What the documentation says is so: links, commands, options, names, tables, the README's example, the notebook."""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

import insarray as ia
from insarray.__main__ import cli
from insarray.cli.commands import TypedCommand
from insarray.cli.process import run_command
from insarray.cli.typed import option_fields
from insarray.compat import dolphin, mintpy
from insarray.model import errors
from insarray.model.conventions import SOLVER_FLAGS, VARIABLES
from insarray.simulate.points import simulate_wrapped, write_wrapped
from insarray.simulate.stacks import simulate_stack, write_geotiffs

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
    if not path.name.startswith(".")
)
WRITTEN = [ROOT / name for name in ("README.md", "docs/getting_started.md", "CONTRIBUTING.md", "deploy/README.md")]
WRITTEN += [ROOT / "docs/explanation/closure.md", ROOT / "docs/tutorial.md"]
WRITTEN += [ROOT / f"docs/how_to/coming_from_{peer}.md" for peer in ("mintpy", "licsbas", "pygmtsar", "spurt")]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    """Contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Words of every command of the bash blocks."""
    found = []
    for block in blocks(text, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            words = words[: words.index(">")] if ">" in words else words
            while "&&" in words:
                found.append(words[: words.index("&&")])
                words = words[words.index("&&") + 1 :]
            if words:
                found.append(words)
    return found


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- links ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_relative_link_and_image_exists(page):
    text = prose(page.read_text())
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    broken = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = page if not name else page.parent / name
        exists = path.exists() and path.resolve().is_relative_to(ROOT)
        if not exists or (anchor and path.suffix == ".md" and anchor not in anchors(path.read_text())):
            broken.append(target)
    assert not broken


def test_the_pages_are_found():
    names = {page_id(page) for page in PAGES}
    assert {"README.md", "docs/explanation/inversion.md", "docs/reference/data_model.md", "deploy/README.md"} <= names
    assert "what-it-reads" in anchors((ROOT / "README.md").read_text())


# -- commands ------------------------------------------------------------------------------------------------------


def documented_commands():
    for page in WRITTEN:
        for words in commands(page.read_text()):
            if words[0] == "insarray":
                yield pytest.param(words[1:], id=f"{page.name}: {' '.join(words[1:5])}")


@pytest.mark.parametrize("words", list(documented_commands()))
def test_every_command_line_parses(words):
    context = click.Context(cli)
    verb = cli.get_command(context, words[0])
    if isinstance(verb, click.Group):
        context, words = click.Context(verb, parent=context), words[1:]
        verb = verb.get_command(context, words[0])
    assert verb is not None, f"no verb {words[0]}"
    verb.make_context(words[0], words[1:], parent=context)


def test_a_wrong_command_line_would_be_noticed():
    text = "```bash\ninsarray invert a \\\n  b --weigths none  # comment\npip install . && insarray demo\n```"
    assert [words[0] for words in commands(text)] == ["insarray", "pip", "insarray"]
    invert = cli.get_command(click.Context(cli), "invert")
    assert invert is not None
    with pytest.raises(click.NoSuchOption):
        invert.make_context("invert", commands(text)[0][2:])


def test_the_two_commands_of_a_fresh_machine_stand_as_they_must_work():
    found = blocks((ROOT / "README.md").read_text(), "bash")
    assert "pip install . && insarray demo\n" in found
    assert 'pip install -e ".[test]" && pytest\n' in found


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "benchmarks"], ids=page_id)
def test_every_option_of_insarray_that_is_named_exists(page):
    verbs = [*cli.commands.values()]
    verbs += [verb for group in verbs if isinstance(group, click.Group) for verb in group.commands.values()]
    parameters = [parameter for verb in verbs for parameter in verb.params]
    known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    known |= {option for parameter in cli.params for option in parameter.opts} | {"--help", "--nbmake"}
    if page.name == "CHANGELOG.md":  # which says what options were called before
        typed = [verb.cls for verb in verbs if isinstance(verb, TypedCommand)]
        known |= {f"--{entry.metadata['was']}" for cls in typed for entry in option_fields(cls)}
    named = set(re.findall(r"`(--[a-z][a-z-]+)", prose(page.read_text())))
    assert not named - known


def test_every_verb_is_in_the_readme_or_getting_started():
    text = "".join(page.read_text() for page in WRITTEN[:2])
    assert not [verb for verb in cli.commands if f"insarray {verb}" not in text]


def test_exit_codes_are_those_of_the_errors():
    text = (ROOT / "README.md").read_text().split("## Exit codes")[1].split("\n## ")[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.InsarrayError)]
    assert listed == {0, 1, 130, 143} | {c.exit_code for c in classes}


# -- Python --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_compiles_and_uses_public_names(page):
    text = page.read_text()
    for block in blocks(text, "python"):
        ast.parse(block)
    for name in re.findall(r"\bia\.(\w+)", text):
        assert name in ia.__all__, f"ia.{name}"
    for name in re.findall(r"\bia\.plot\.(\w+)", text):
        assert hasattr(ia.plot, name), f"ia.plot.{name}"


def test_the_readme_example_and_what_follows_it_run(tmp_path, monkeypatch):
    """README, then the examples of Getting started, the last one on the store that it made; warnings are errors."""
    stack, truth = simulate_stack(shape=(120, 150), n_dates=20, looks=20, seed=4)
    write_geotiffs(stack, tmp_path / "ifgs")
    monkeypatch.chdir(tmp_path)
    (example,) = blocks((ROOT / "README.md").read_text(), "python")
    assert len(example.strip().splitlines()) <= 14
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    result = names["result"]
    assert (tmp_path / "velocity.png").stat().st_size > 5000
    assert (tmp_path / "velocity.tif").stat().st_size > 5000
    row, col = result.attrs["reference_row"], result.attrs["reference_col"]
    error = result.velocity - (truth.velocity - truth.velocity[row, col])
    assert float(abs(error).compute().median()) < 0.01  # noise, atmosphere, season
    wrapped, second = blocks((ROOT / "docs/getting_started.md").read_text(), "python")
    write_wrapped(simulate_wrapped(shape=(20, 24), n_dates=4)[0], tmp_path / "linked")
    exec(compile(wrapped, "getting_started.md", "exec"), names)
    assert names["stack"].sizes["time"] == 4
    exec(compile(second, "getting_started.md", "exec"), {})
    assert (tmp_path / "last.png").stat().st_size > 5000


def test_the_closure_example_runs(tmp_path, monkeypatch):
    """A pair that is a cycle off somewhere is left out; what is left closes."""
    stack, _ = simulate_stack(shape=(140, 100), n_dates=8, looks=200, missing=0.0, water=False, seed=1)
    stack.unwrapped_phase[5, :60] += 6.2831855
    write_geotiffs(stack, tmp_path / "ifgs")
    monkeypatch.chdir(tmp_path)
    (example,) = blocks((ROOT / "docs/explanation/closure.md").read_text(), "python")
    names: dict[str, object] = {}
    exec(compile(example, "closure.md", "exec"), names)
    assert names["bad"] == [stack.insar.network.labels[5]]
    assert names["stack"].sizes["pair"] == stack.sizes["pair"] - 1
    assert (tmp_path / "closure.png").stat().st_size > 5000


def test_the_tutorial_runs_on_its_data(shared, tmp_path, monkeypatch, capsys):
    """Every command of insarray and the Python example, and the numbers that the page names."""
    data = shared / "data/s1_mexico_cropA"
    (tmp_path / "ifgs").mkdir()
    for path in (*data.glob("unw/*.tif"), *data.glob("coh/*.tif")):
        (tmp_path / "ifgs" / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs/tutorial.md").read_text()
    said = ""
    for words in commands(page):
        if words[0] == "insarray":
            assert run_command(words[1:]) == 0, words
            said += capsys.readouterr().out
    for text in (
        "dates                        13\n",
        "pairs                        30\n",
        "98.29",
        "11.7 %",
        "20180307_20180319",
    ):
        assert text in said
    (example,) = blocks(page, "python")
    names: dict[str, object] = {}
    exec(compile(example, "tutorial.md", "exec"), names)
    velocity = names["velocity"]
    assert -0.35 < float(velocity.min()) < -0.25
    row, col = divmod(int(velocity.fillna(0).values.argmin()), velocity.sizes["x"])
    assert row < 15, "in the north"
    assert col > 85, "in the east"
    for name in ("closure.png", "velocity.png", "point.png", "velocity.tif", "report.html"):
        assert (tmp_path / name).stat().st_size > 5000, name


# -- data model ----------------------------------------------------------------------------------------------------


def rows(text: str) -> dict[str, list[str]]:
    """Cells of every table row by the name in backticks in its first cell."""
    cells = ([c.strip() for c in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `"))
    return {row[0].strip("`"): [c.strip() for c in row[1:]] for row in cells}


def test_the_data_model_lists_every_variable_as_it_is():
    found = rows((ROOT / "docs/reference/data_model.md").read_text())
    for name, variable in VARIABLES.items():
        assert found.get(name, [])[:3] == [", ".join(variable.dims), variable.dtype, variable.units], name


def test_the_readme_lists_the_output_as_it_is():
    text = (ROOT / "README.md").read_text().split("## What comes out")[1].split("\n## ")[0]
    found = rows(text)
    assert set(found) >= {"displacement", "network_subset", "solver_flag", "velocity_std"}
    for name, cells in found.items():
        assert cells[:2] == [", ".join(VARIABLES[name].dims), VARIABLES[name].units], name


def test_flags_are_listed_in_their_order():
    text = (ROOT / "docs/reference/data_model.md").read_text().split("## `solver_flag`")[1]
    listed = re.findall(r"^\| (\d) \| `(\w+)`", text, re.MULTILINE)
    assert listed == [(str(k), name) for k, name in enumerate(SOLVER_FLAGS)]


def test_the_attributes_of_a_result_are_in_the_data_model(tmp_path):
    stack, _ = simulate_stack(shape=(20, 24), n_dates=6, missing=0.0, water=False)
    stack = ia.mask(stack.chunk(pair=-1, y=20, x=24), min_coherence=0.01, mask_components=True)
    series = ia.invert(stack, weights="variance", reference=ia.area(2, 5, 2, 5))
    text = (ROOT / "docs/reference/data_model.md").read_text().split("## Attributes")[1]
    loops = ia.closure(stack, reference=ia.area(2, 5, 2, 5))
    flat = ia.deramp(series, mask=stack.coherence[0] > 0, robust=True)
    moved = ia.rereference(flat, date=series.time.values[1])
    average = ia.temporal_average(stack, layer="coherence")
    for name in {**flat.attrs, **moved.attrs, **ia.join(series, series).attrs, **average.attrs}:
        assert f"`{name}`" in text, name
    for name in {**series.merge(ia.fit(series)).attrs, **loops.attrs, **ia.closure_summary(loops).attrs}:
        assert f"`{name}`" in text, name


def test_the_reference_lists_every_public_name():
    listed = set(re.findall(r"^   (\w+)$", (ROOT / "docs/reference/api.md").read_text(), re.MULTILINE))
    names = {name for module in (ia, mintpy, dolphin, ia.plot) for name in module.__all__} - {"plot"}
    assert names == listed


def test_the_site_has_every_page():
    index = (ROOT / "docs/index.md").read_text()
    pages = [page for page in PAGES if page.name != "index.md"] + NOTEBOOKS
    entries = [os.path.relpath(page.with_suffix(""), ROOT / "docs") for page in pages]
    missing = [entry for entry in entries if not entry.startswith("how_to/") and f"\n{entry}\n" not in index]
    assert len(entries) > 20
    assert missing == []


def test_the_architecture_lists_every_folder():
    text = (ROOT / "docs/explanation/architecture.md").read_text()
    folders = {f"{path.parent.name}/" for path in Path(ia.__file__).parent.glob("*/__init__.py")}
    assert not [name for name in folders if name not in rows(text)]


# -- notebook ------------------------------------------------------------------------------------------------------


def percent_cells(text: str) -> list[tuple[str, str]]:
    """(kind, source) of the cells of a jupytext percent script."""
    body = re.sub(r"\A# ---\n.*?^# ---\n", "", text, flags=re.MULTILINE | re.DOTALL)
    cells = []
    for part in re.split(r"^# %%", body, flags=re.MULTILINE)[1:]:
        head, _, source = part.partition("\n")
        if head.strip() == "[markdown]":
            source = re.sub(r"^# ?", "", source, flags=re.MULTILINE)
        cells.append(("markdown" if head.strip() == "[markdown]" else "code", source.strip()))
    return cells


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_and_script_are_the_same_and_the_notebook_was_run(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    found = [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in cells]
    assert found == percent_cells(notebook.with_suffix(".py").read_text())
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert notebook.stat().st_size < 2_500_000
    # what it shows must not tell on whose machine it was made
    assert not re.search(r"/(?:home|root|work|tmp|Users)/", notebook.read_text())


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_jupytext_agrees(notebook, tmp_path):
    pytest.importorskip("jupytext")
    script = shutil.copy(notebook.with_suffix(".py"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "jupytext", "--test", "--to", "ipynb", script], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def test_pictures_are_small():
    for path in (ROOT / "docs").rglob("*.png"):
        assert path.stat().st_size < 300_000, path
