"""One file for the whole chain: checked before anything starts, the same as the commands typed one by one, resumed."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml

from insarray.cli.process import run_command
from insarray.cli.recipe import STEPS
from insarray.cli.recipe_template import json_schema, keys
from insarray.engine.store.zarr_store import open_store
from insarray.model.deprecation import DeprecatedNameWarning
from insarray.simulate.points import simulate_wrapped, write_wrapped
from insarray.simulate.stacks import simulate_stack, write_geotiffs

BASE = """
output: results
stack:
  files: ifgs/*.unw.tif
  coherence: ifgs/*.cor.tif
  wavelength: 0.0555
  reference: 3,3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Working directory with a small stack in ifgs/."""
    write_geotiffs(simulate_stack(shape=(24, 30), n_dates=7, missing=0.0, water=False, seed=3)[0], tmp_path / "ifgs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(text, *options):
    Path("config.yaml").write_text(text)
    return run_command(["run", "config.yaml", *options])


def refused(capsys, text, *options):
    """Message of a run that is refused with nothing made."""
    capsys.readouterr()
    assert run(text, *options) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert not Path("results").exists()
    return message


def test_the_chain_is_that_of_the_commands(folder, capsys):
    steps = "closure:\ninvert:\n  weights: coherence\nfit:\n  periods: [1]\nexport: [velocity, displacement_std]\n"
    assert run(BASE + steps + "plots: [network, velocity, closure]\n") == 0
    typed = ["ifgs/*.unw.tif", "--coherence", "ifgs/*.cor.tif", "--wavelength", "0.0555", "--reference", "3,3"]
    assert run_command(["invert", typed[0], "typed.zarr", *typed[1:], "--weights", "coherence"]) == 0
    assert run_command(["fit", "typed.zarr", "fitted.zarr", "--periods", "1"]) == 0
    for made, name, variable in (("series", "typed", "displacement"), ("model", "fitted", "annual_amplitude")):
        ours, theirs = open_store(f"results/{made}.zarr"), open_store(f"{name}.zarr")
        np.testing.assert_array_equal(ours[variable].values, theirs[variable].values)
    made = {path.name for path in Path("results").iterdir()}
    assert {"velocity.tif", "displacement_std.tif", "network.png", "velocity.png", "closure.png"} <= made


def test_it_goes_on_where_it_was_and_starts_over_when_told(folder, capsys):
    text = BASE + "invert:\nfit:\n"
    assert run(text) == 0
    capsys.readouterr()
    assert run(text) == 0
    assert capsys.readouterr().out.count("0 of 1 blocks computed") == 2
    changed = BASE + "invert:\n  weights: coherence\nfit:\n"
    assert run(changed) == 6  # the stores are of another job
    assert run(changed, "--restart") == 0


def test_a_dry_run_prints_the_commands_and_makes_nothing(folder, capsys):
    assert run(BASE + "invert:\nfit:\n  of: pairs\n  steps: [2019-02-10]\n", "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["invert", "fit"]
    assert lines[1].startswith("insarray fit 'ifgs/*.unw.tif' results/model.zarr --steps 2019-02-10 --coherence")
    assert not Path("results").exists()


def test_the_printed_commands_do_what_the_steps_do(folder, capsys):
    text = BASE + "closure:\n  loops: 4\ninvert:\n  exclude_dates: [20190117]\n  gap: subset\n"
    assert run(text, "--dry-run") == 0
    closure, invert = (shlex.split(line)[1:] for line in capsys.readouterr().out.splitlines())
    assert (closure[2], invert[2]) == ("results/closure.zarr", "results/series.zarr")
    assert run(text) == 0
    for words in (closure, invert):
        typed = [word.replace("results/", "typed_") for word in words]
        assert run_command(typed) == 0
        ours, theirs = open_store(words[2]), open_store(typed[2])
        assert {name: ours[name].values.tobytes() for name in ours} == {n: theirs[n].values.tobytes() for n in theirs}


TIDES = "correct:\n  tides: true\n  time_of_day: '00:51:03'\n  heading: -13\n  incidence_angle: 37\n"


def test_what_is_fitted_and_reported_is_corrected(folder, capsys):
    """The same as the commands one by one; dry runs know the store that is fitted."""
    text = BASE + "invert:\n" + TIDES + "fit:\nexport: [velocity]\nreport: true\n"
    assert run(text, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["invert", "correct", "fit", "export", "report"]
    assert lines[2].startswith("insarray fit results/corrected.zarr results/model.zarr")
    assert lines[4].startswith("insarray report results/corrected.zarr")
    assert run(text) == 0
    model, series = open_store("results/model.zarr"), open_store("results/series.zarr")
    assert model.attrs["corrections"] == "solid_earth_tide"
    assert run_command(["fit", "results/series.zarr", "plain.zarr"]) == 0
    assert float(abs(open_store("plain.zarr").velocity - model.velocity).max()) > 1e-7
    moved = open_store("results/corrected.zarr").displacement - series.displacement
    assert float(abs(moved).max()) > 1e-6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TIDES + "fit:\n  of: pairs\n", "correct: there is no series; add the section invert"),
        ("invert:\n" + TIDES.replace("true", "maybe"), "correct: tides: is 'maybe'"),
        ("invert:\n" + TIDES.replace("time_of_day: '00:51:03'", ""), "correct: time_of_day: 2019-01-05 has none"),
        ("invert:\ncorrect:\n  stratified: linear\n  troposphere: none/*.nc\n", "nothing matches 'none/*.nc'"),
    ],
)
def test_a_correction_that_cannot_be_made_is_known_first(folder, capsys, text, message):
    assert message in refused(capsys, BASE + text)


def test_a_fit_of_pairs_needs_no_series(folder):
    assert run(BASE + "fit:\n  of: pairs\n") == 0
    assert "velocity" in open_store("results/model.zarr")


def test_links_have_a_stack_of_their_own(folder, capsys):
    write_wrapped(simulate_wrapped(shape=(20, 24), n_dates=4)[0], folder / "linked")
    text = (
        "output: results\nlinks:\n  folder: linked\n  velocity-range: [-40, 40]\n  wavelength: 0.031\nplots: points\n"
    )
    assert run(text, "--dry-run") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "insarray links linked results/links --wavelength 0.031 --velocity-range -40 40"
    assert lines[1] == "insarray plot points results/links/points.zarr results/points.png"


def test_a_dry_run_fails_where_the_run_would(folder, capsys):
    """What only building a step shows, another job in the store, and a folder that is not ours."""
    for text, message in (
        (BASE + "invert:\n  weights: variance\n", "config.yaml: invert: looks: "),
        (BASE + "invert:\nfit:\n  height_error: true\n", "config.yaml: fit: height_error: "),
        (BASE + "invert:\nfit:\n  start: 2031-01-01\n", "config.yaml: fit: start, end, exclude_dates: leave 0 of 7"),
        (BASE + "invert:\nexport: [closure_phase]\n", "'closure_phase' is not a variable of a result of these steps"),
        (BASE + "invert:\nplots: [points]\n", "plots: points needs the step links"),
    ):
        found = [refused(capsys, text, *options) for options in ((), ("--dry-run",))]
        assert found[0] == found[1]
        assert message in found[0]
        assert "--" not in found[0]
    assert run(BASE + "invert:\n") == 0
    for options in ((), ("--dry-run",)):
        assert run(BASE + "invert:\n  weights: coherence\n", *options) == 6


def test_old_keys_work_and_say_what_they_are_called_now(folder):
    with pytest.warns(DeprecatedNameWarning, match="exclude-date is called exclude_dates now"):
        assert run(BASE + "invert:\n  exclude-date: [20190117]\n", "--dry-run") == 0
    with pytest.warns(DeprecatedNameWarning, match="period is called periods now"):
        assert run(BASE + "invert:\nfit:\n  period: 1\n  periods: 1\n", "--dry-run") == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("invert: [", "config.yaml: is not YAML"),
        ("- invert", "config.yaml: has no sections"),
        (BASE, "config.yaml: has no step; add one of the sections closure, invert, correct, fit, links"),
        (BASE + "invrt:\n", "config.yaml: section 'invrt' is not known; did you mean invert?"),
        (BASE + "invert:\n  lucks: 3\n", "config.yaml: invert: lucks: is not known; did you mean looks?"),
        (BASE + "invert:\n  weights: heavy\n", "config.yaml: invert: weights: 'heavy' is not one of"),
        (BASE + "invert:\n  looks: many\n", "config.yaml: invert: looks: 'many' is not a valid float"),
        (BASE + "invert:\n  looks: [1, 2]\n", r"invert: looks: is \[1, 2\]; one value is needed"),
        (BASE + "invert:\ninvert:\n", "invert is there twice"),
        (BASE + "invert: fast\n", "config.yaml: invert is 'fast'; write its options below it"),
        (BASE + "fit:\n", "config.yaml: fit: of: there is no series; add the section invert, or give of: pairs"),
        (BASE + "fit:\n  of: links\n", "fit: of: is 'links'; it is series or pairs"),
        (BASE + "fit:\n  of: pairs\n  residuals: maybe\n", "fit: residuals: is 'maybe'; it is true or false"),
        (BASE + "invert:\nexport: [speed]\n", "export: 'speed' is not a variable of a result"),
        (BASE + "invert:\nplots: [pie]\n", "plots: 'pie' is not one of network, velocity, closure, points"),
        (BASE + "invert:\nreport: page.html\n", "report is 'page.html'; it is true or false"),
        (BASE + "links:\n", "links: folder: is missing"),
        ("output: 3\ninvert:\n", "output is 3; give the name of a folder"),
        ("stack:\ninvert:\n", "stack: files is None; give a folder, a pattern or a list of files"),
        (BASE.replace("ifgs/*.unw.tif", "none/*.tif") + "invert:\n", "nothing matches 'none/"),
        (BASE.replace("0.0555", "55.5") + "closure:\ninvert:\n", r"wavelength: 55\.5 is not a radar wavelength"),
    ],
)
def test_all_is_checked_before_anything_starts(folder, capsys, text, message):
    assert re.search(message, refused(capsys, text))


def test_a_folder_that_is_not_ours_is_left_alone(folder, capsys):
    (folder / "results").mkdir()
    (folder / "results" / "mine.txt").write_text("mine")
    assert run(BASE + "invert:\n") == 2
    assert "results: exists and was not made by insarray run" in capsys.readouterr().err
    assert [path.name for path in (folder / "results").iterdir()] == ["mine.txt"]


# -- insarray config ------------------------------------------------------------------------------------------------


def template(capsys):
    capsys.readouterr()
    assert run_command(["config"]) == 0
    return capsys.readouterr().out


def test_the_template_as_it_is_lacks_the_wavelength_in_a_dry_run_too(folder, capsys):
    text = template(capsys)
    for options in ((), ("--dry-run",)):
        message = refused(capsys, text, *options)
        assert "config.yaml: invert: wavelength: the files do not say; give it in metres (wavelength)" in message
    assert run(text.replace("output: results ", "output: results\nignored: 1 #")) == 2
    assert run(text.replace("# wavelength: ", "wavelength: 0.0555"), "--dry-run") == 0
    assert capsys.readouterr().out == "insarray invert 'ifgs/*.unw.tif' results/series.zarr --wavelength 0.0555\n"


def test_the_template_has_every_option_and_its_default(capsys):
    """Uncommented, each line is an entry that the step has, and the value shown is its default."""
    text = template(capsys)
    sections = re.split(r"^(?:# )?(stack|closure|invert|correct|fit|links):.*$", text, flags=re.MULTILINE)
    found = {name: body.split("\n# export")[0] for name, body in zip(sections[1::2], sections[2::2], strict=True)}
    entries = {
        name: yaml.safe_load("\n".join(re.findall(r"^#? *# ([a-z_]+:.*)$", body, re.MULTILINE))) or {}
        for name, body in found.items()
    }
    for step in STEPS:
        fields = keys(step)
        assert set(fields) <= {*entries[step], *(entries["stack"] if step != "links" else ())}
        for name, value in entries[step].items():
            if name in fields and value not in (None, []):
                default = fields[name].default
                assert (list(default) if isinstance(default, tuple) else default) == value, name


def test_the_schema_is_printed_and_takes_what_a_run_takes(capsys):
    assert run_command(["config", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema == json_schema()
    invert = schema["properties"]["invert"]["properties"]
    assert invert["weights"]["enum"] == ["none", "coherence", "variance", "fisher"]
    assert invert["block"] == {"type": "integer", "minimum": 8, "description": "Edge of the blocks in pixels."}
    assert schema["properties"]["fit"]["properties"]["periods"]["anyOf"][0]["type"] == "number"
    assert set(schema["properties"]["links"]["properties"]) == {"folder", *keys("links")}
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(template(capsys)), schema)
    for text in ("invert: {looks: many}", "invert: {lucks: 1}", "fit: {periods: [x]}", "links: {velocity_range: [1]}"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(text), schema)
