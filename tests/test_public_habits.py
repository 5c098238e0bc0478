"""What strangers meet first: workflows, forms, citation, recipe, versions; each says what the others say."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from insarray._version import __version__

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / ".github").is_dir():
    pytest.skip("not a whole checkout", allow_module_level=True)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FORMS = [ROOT / f".github/ISSUE_TEMPLATE/{name}.yml" for name in ("problem", "product", "feature")]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
RENAMED = {"dask": "dask-core", "matplotlib": "matplotlib-base", "universal-pathlib": "universal_pathlib"}
"""Packages that conda-forge calls otherwise, or splits."""


def read(path: str) -> dict:
    return yaml.safe_load((ROOT / path).read_text())


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [ROOT / ".github/ISSUE_TEMPLATE/config.yml"]),
        ("vendor.dependabot", [ROOT / ".github/dependabot.yml"]),
        ("vendor.citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_files_of_the_platform_are_valid(schema, files):
    pytest.importorskip("check_jsonschema")
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_supported_python_is_tested():
    matrix = read(".github/workflows/ci.yml")["jobs"]["tests"]["strategy"]["matrix"]
    listed = {entry.rsplit(" ", 1)[1] for entry in PROJECT["project"]["classifiers"] if "Python :: 3." in entry}
    assert listed == set(matrix["python"])
    assert PROJECT["project"]["requires-python"] == f">={min(listed, key=lambda text: int(text[2:]))}"
    assert {"ubuntu-latest", "macos-latest"} == set(matrix["os"])


def test_files_that_workflows_name_exist():
    for path in WORKFLOWS:
        for name in re.findall(r"(?:tests|\.ci)/[\w./]+", path.read_text()):
            assert (ROOT / name).exists(), f"{path.name}: {name}"


def test_forms_ask_for_the_versions():
    for form in FORMS:
        asked = [
            part["attributes"]["description"]
            for part in yaml.safe_load(form.read_text())["body"]
            if part["id"] == "versions"
        ]
        assert len(asked) == 1, form.name
        assert "insarray --version --verbose" in asked[0]
        assert "ia.show_versions()" in asked[0]


def test_the_constraints_are_the_lower_bounds():
    done = subprocess.run([sys.executable, ROOT / ".ci/lower_bounds.py"], capture_output=True, text=True, check=True)
    found = dict(line.split("==") for line in done.stdout.splitlines())
    assert found.pop("distributed") == found["dask"]
    assert len(found) == len(PROJECT["project"]["dependencies"])
    for requirement in PROJECT["project"]["dependencies"]:
        name, version = re.sub(r"\[.*\]", "", requirement).split(">=")
        assert found[name] == version


def test_the_recipe_needs_what_the_project_needs():
    needs = read("conda.recipe/recipe.yaml")["requirements"]
    run = dict(entry.split(" >=") for entry in needs["run"] if not entry.startswith("python "))
    expected = {}
    for requirement in PROJECT["project"]["dependencies"]:
        name, version = re.sub(r"\[.*\]", "", requirement).split(">=")
        expected[RENAMED.get(name, name)] = version
    assert run == expected | {"distributed": expected["dask-core"]}
    build = {requirement.replace(">=", " >=") for requirement in PROJECT["build-system"]["requires"]}
    assert build <= set(needs["host"])


def test_one_address_and_one_licence():
    urls, citation = PROJECT["project"]["urls"], read("CITATION.cff")
    assert urls["Repository"] == citation["repository-code"] == read("conda.recipe/recipe.yaml")["about"]["repository"]
    assert citation["license"] == PROJECT["project"]["license"] == read("conda.recipe/recipe.yaml")["about"]["license"]


def test_a_checkout_without_a_build_has_the_version_that_a_build_without_git_gives():
    fallback = PROJECT["tool"]["hatch"]["version"]["fallback-version"]
    text = (ROOT / "src/insarray/_version.py").read_text()
    assert f'__version__ = "{fallback}"' in text
    assert re.match(r"\d+\.\d+\.\d+", __version__)
