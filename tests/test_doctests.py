"""The example of every public function runs and gives what it says; what belongs together is named; methods are cited."""

import doctest
import inspect
import re
import warnings

import pytest

import insarray as ia

OBJECTS = {name: getattr(ia, name) for name in ia.__all__ if name != "plot"}
OBJECTS |= {f"plot.{name}": getattr(ia.plot, name) for name in ia.plot.__all__}
ALONE = {"InsarrayError", "show_versions"}
"""Have no relatives among the public names."""
METHODS = (
    "compare_gnss", "open_gnss", "plate_motion", "tie_to_gnss",
    "closure", "closure_summary", "correct_unwrapping", "covariance", "decompose", "deramp", "estimate_links", "fit",
    "integrate_links", "invert", "refine_points", "simulate_stack", "simulate_wrapped", "unwrap_points",
    "unwrap_stack",
)  # fmt: skip


def section(name: str, title: str) -> str:
    """Text of a section of a docstring."""
    text = inspect.getdoc(OBJECTS[name]) or ""
    found = re.search(rf"^{title}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group(1) if found else ""


@pytest.mark.parametrize("name", OBJECTS)
def test_the_example_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in ("unwrap_points", "unwrap_stack"):
        pytest.importorskip("ortools", reason="needs the extra 'unwrap'")
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    said: list[str] = []
    with warnings.catch_warnings():
        for test in finder.find(OBJECTS[name], name, globs={}):
            runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).attempted > 0, f"{name} has no example"
    assert not said, "".join(said)
    assert "+SKIP" not in section(name, "Examples")


@pytest.mark.parametrize("name", sorted(OBJECTS.keys() - ALONE))
def test_relatives_are_public_names(name):
    named = re.findall(r"^insarray\.([\w.]+) : \w.*\.$", section(name, "See Also"), re.MULTILINE)
    assert named
    assert not [other for other in named if other not in OBJECTS or other == name]


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_cited(name):
    assert re.search(r"^\* .*\(\d{4}\)", section(name, "References"))


def test_a_wrong_example_would_be_noticed(tmp_path):
    found = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(found, out=lambda _: None).failed == 1


def test_the_accessor_runs():
    from insarray.model import accessor

    assert doctest.testmod(accessor).failed == 0
