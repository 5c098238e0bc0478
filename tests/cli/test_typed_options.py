"""One vocabulary: an option is a keyword of the function it goes to, with its default and choices; old names work."""

import inspect
import typing
from dataclasses import fields

import click
import pytest

import insarray as ia
from insarray.__main__ import cli
from insarray.cli import options as groups
from insarray.cli import point_options as point_groups
from insarray.cli.process import run_command
from insarray.cli.stacks_and_series import Fit, Invert
from insarray.cli.typed import dashed, option_fields, value_type
from insarray.model.deprecation import DeprecatedNameWarning
from insarray.model.errors import ArgumentError

FUNCTIONS = {
    groups.Reading: ia.open_stack,
    groups.Selecting: ia.select_pairs,
    groups.Masking: ia.mask,
    groups.Quality: ia.quality_mask,
    groups.Places: ia.timeseries,
    groups.Minimum: ia.fit,
    groups.Weighting: ia.invert,
    groups.Inverting: ia.invert,
    groups.Terms: ia.fit,
    groups.Midas: ia.midas,
    groups.Fitting: ia.fit,
    groups.Geometry: ia.fit,
    groups.Executing: ia.run,
    point_groups.ReadingWrapped: ia.open_wrapped,
    point_groups.Points: ia.select_points,
    point_groups.Arcs: ia.estimate_links,
    groups.Decomposing: ia.decompose,
    groups.Comparing: ia.compare_gnss,
    groups.Tying: ia.tie_to_gnss,
    groups.Framing: ia.change_frame,
    groups.Merging: ia.merge_tracks,
    groups.Validating: ia.validate,
}

RENAMED = {f"{name}_file": name for name in ("temporal_coherence", "amplitude_dispersion")}
"""Options of `links` whose keyword two of its functions have, for a file and for a limit."""


def choices(annotation):
    """Words of every Literal in an annotation."""
    if typing.get_origin(annotation) is typing.Literal:
        return {word for word in typing.get_args(annotation) if isinstance(word, str)}
    return {word for part in typing.get_args(annotation) for word in choices(part)}


@pytest.mark.parametrize("group", FUNCTIONS, ids=lambda group: group.__name__)
def test_options_are_the_keywords_of_the_function(group):
    parameters = inspect.signature(FUNCTIONS[group]).parameters
    for entry in fields(group):
        parameter = parameters[RENAMED.get(entry.name, entry.name)]
        if (
            group is not groups.Executing or entry.name != "scheduler"
        ):  # None: the active client, of which a command has none
            assert entry.default == parameter.default, entry.name
        words = choices(value_type(entry))
        if words:
            assert words <= choices(parameter.annotation), entry.name
            assert not choices(parameter.annotation) - words - {"covariance"} or entry.name == "weights"


def parsed(words):
    """Values of `insarray invert` or `fit`, as its function gets them."""
    verb = cli.commands[words[0]]
    with verb.make_context(words[0], words[1:]) as context:
        return verb.cls(**context.params)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["invert", "a", "b", "--exclude-date", "20190117"], {"exclude_dates": ("20190117",)}),
        (["invert", "a", "b", "--exclude-pair=x,y", "--exclude-pair", "z"], {"exclude_pairs": ("x", "y", "z")}),
        (["fit", "a", "b", "--period", "1"], {"periods": (1.0,)}),
        (["fit", "a", "b", "--exponential", "20190117,30"], {"exponentials": (("20190117", 30.0),)}),
        (["fit", "a", "b", "--incidence", "35"], {"incidence_angle": 35.0}),
        (["links", "a", "b", "--baseline-csv", "c"], {"baselines": "c"}),
        (["links", "a", "b", "--temporal-coherence", "0.5"], {"min_temporal_coherence": 0.5}),
    ],
)
def test_old_options_work_and_say_what_they_are_called_now(old, new):
    with pytest.warns(DeprecatedNameWarning, match=f"is called --{dashed(next(iter(new)))} now"):
        found = parsed(old)
    assert {name: getattr(found, name) for name in new} == new


def test_old_options_are_not_in_the_help():
    text = click.Context(cli.commands["fit"], info_name="fit").get_help()
    assert "--exclude-dates" in text
    assert "--exclude-date " not in text


def test_the_warning_is_one_line(capsys, monkeypatch):
    from insarray.cli import process

    monkeypatch.setattr("warnings.showwarning", process._show_warning)
    with pytest.warns(DeprecatedNameWarning) as caught:
        run_command(["invert", "none/*.tif", "o.zarr", "--exclude-date", "20190101"])
    process._show_warning(caught[0].message, caught[0].category, "file", 1)
    assert (
        capsys.readouterr().err.splitlines()[-1].startswith("insarray: note: --exclude-date is called --exclude-dates")
    )


def test_several_values_by_commas_or_repeated():
    assert parsed(["fit", "a", "b", "--periods", "1,0.5", "--periods", "2"]).periods == (1.0, 0.5, 2.0)
    with pytest.raises(click.BadParameter):
        parsed(["invert", "a", "b", "--correct-unwrapping", "pixel,guess"])


@pytest.mark.parametrize("cls", [Invert, Fit])
def test_words_of_the_command_line_and_entries_of_a_file_are_the_same(cls):
    given = {
        "exclude_dates": ["20190101", "20190102"],
        "min-coherence": 0.3,
        "mask_components": True,
        "area": "1,2,3,4",
    }
    given |= {"wavelength": 0.05546576, "correct_unwrapping": "pixel,bridging"}
    found = cls.from_mapping(given, files=("a",), out="b")
    assert parsed([cls.__name__.lower(), *found.words()]) == found
    assert (found.exclude_dates, found.correct_unwrapping) == (("20190101", "20190102"), ("pixel", "bridging"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"looks": "many"}, "looks: 'many' is not a valid float"),
        ({"looks": True}, "looks: is True; give a value"),
        ({"looks": {"a": 1}}, "looks: is {'a': 1}; give a value"),
        ({"block": 4}, "block: 4 is not in the range"),
        ({"gap": "wide"}, "gap: 'wide' is not one of"),
        ({"resample": "yes"}, "resample: is 'yes'; it is true or false"),
        ({"lucks": 1}, "lucks: is not known; did you mean"),
        ({"exclude_dates": ["20190101"], "exclude-dates": []}, "exclude-dates: is given twice"),
    ],
)
def test_a_bad_entry_is_named(given, message):
    with pytest.raises(ArgumentError) as error:
        Invert.from_mapping(given)
    assert message in str(error.value)


def test_the_summary_of_every_command_is_whole_and_in_a_section():
    context = click.Context(cli, info_name="insarray")
    text = cli.get_help(context)
    assert "..." not in text.split("Start:")[1]
    for name, command in cli.commands.items():
        assert any(line.split()[:1] == [name] for line in text.splitlines()), name
        assert len(command.get_short_help_str(200)) < 66, name
    assert [line[:-1] for line in text.splitlines() if line.endswith(":") and line != "Options:"] == list(cli.sections)


@pytest.mark.parametrize(
    "name", [name for name, command in cli.commands.items() if not isinstance(command, click.Group)]
)
def test_every_option_explains_itself(name):
    for entry in option_fields(cli.commands[name].cls):
        assert entry.metadata["text"][0].isalnum(), entry.name
        assert entry.metadata["text"].endswith(".") or "|" in entry.metadata["text"], entry.name
