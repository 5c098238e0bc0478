"""One file that runs the whole chain: sections of YAML become the commands that a user would type."""

import difflib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from insarray.cli.inputs import open_masked
from insarray.cli.main import cli
from insarray.cli.options import Several
from insarray.engine.store.zarr_store import open_store
from insarray.model.conventions import variable
from insarray.model.errors import ArgumentError, FileError, StoreError

STEPS = ("closure", "invert", "fit", "links")
"""Sections whose keys are the options of the verb of that name, in the order in which they run."""

MADE = ("export", "plots", "report")
"""Sections that list what to make of the results."""

_OWN = {"stack": ("files",), "fit": ("of",), "links": ("folder",)}
_NOT_HERE = {"help", "json", "dry-run", "restart", "append", "plot"}
_COPY = "config.yaml"
_PLOTS = ("network", "velocity", "closure", "points")


@dataclass(frozen=True)
class Recipe:
    """A file that was read and found to be one.

    Parameters
    ----------
    path
        Of the file; relative paths in it are relative to the working directory, as on the command line.
    text
        Its content.
    output
        Folder of the results.
    sections
        By name.
    """

    path: str
    text: str
    output: Path
    sections: Mapping[str, Any]

    def store(self, step: str) -> str:
        """What a step makes."""
        names = {"closure": "closure.zarr", "invert": "series.zarr", "fit": "model.zarr", "links": "links"}
        return str(self.output / names[step])


def execute(path: str, *, dry_run: bool = False, restart: bool = False) -> None:
    """Check a recipe as a whole, then do its steps; parameters as the command has them.

    Raises
    ------
    InsarrayError
        What is wrong with the file, the inputs or a step.
    """
    recipe = read(path)
    commands = [
        command for step in STEPS if step in recipe.sections for command in _step(recipe, step, restart=restart)
    ]
    for command in commands:
        _parsed(recipe, command)
    _check_made(recipe)
    _check_stack(recipe)
    if dry_run:
        for command in commands:
            click.echo("insarray " + shlex.join(command))
        return
    _claim(recipe)
    for command in commands:
        _run(recipe, command)
    for command in _made(recipe):
        _run(recipe, command)


# -- the file -------------------------------------------------------------------------------------------------------


def read(path: str) -> Recipe:
    """Recipe of a YAML file.

    Raises
    ------
    FileError
        If it cannot be read, or is not a mapping of the sections that there are.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        found = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise FileError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise FileError(f"{path}: holds no sections; insarray config prints a file to start from")
    _require_known(path, "section", found, ("output", "stack", *STEPS, *MADE))
    if not any(step in found for step in STEPS):
        raise FileError(f"{path}: asks for no step; add one of the sections {', '.join(STEPS)}")
    output = found.get("output", "results")
    if not isinstance(output, str):
        raise FileError(f"{path}: output is {output!r}; give the name of a folder")
    return Recipe(path, text, Path(output), found)


class _Loader(yaml.SafeLoader):
    """Safe, and without the habit of keeping the last of two entries of the same name."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002
        """Mapping, each key once."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(problem=f"{twice} is there twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def _require_known(path: str, what: str, given: Mapping[Any, Any], known: tuple[str, ...] | list[str]) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            remedy = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            raise FileError(f"{path}: {what} {name!r} is not known; {remedy}")


def _section(recipe: Recipe, name: str) -> dict[str, Any]:
    given = recipe.sections.get(name) or {}
    if not isinstance(given, dict):
        raise FileError(f"{recipe.path}: {name} is {given!r}; write its options below it, each on a line of its own")
    verbs = ("invert", "fit", "closure") if name == "stack" else (name,)
    known = [*_OWN.get(name, ()), *(key for verb in verbs for key in options_of(verb))]
    _require_known(recipe.path, f"{name}: option", given, known)
    return given


def options_of(verb: str) -> dict[str, click.Option]:
    """Options of a verb by what they are called in a recipe: their long name without the dashes."""
    options = (parameter for parameter in cli.commands[verb].params if isinstance(parameter, click.Option))
    named = {max(option.opts, key=len).removeprefix("--"): option for option in options}
    return {name: option for name, option in named.items() if name not in _NOT_HERE}


# -- commands -------------------------------------------------------------------------------------------------------


def _step(recipe: Recipe, step: str, *, restart: bool) -> Iterator[list[str]]:
    own = _section(recipe, step)
    words = [
        word for name, value in own.items() if name not in _OWN.get(step, ()) for word in _words(step, name, value)
    ]
    words += ["--restart"] if restart else []
    if step == "links":
        if "folder" not in own:
            raise FileError(f"{recipe.path}: links needs folder, that of the wrapped stack")
        yield [step, str(own["folder"]), recipe.store(step), *words]
        return
    of = own.get("of", "series") if step == "fit" else "pairs"
    if of == "series":
        if "invert" not in recipe.sections:
            raise FileError(f"{recipe.path}: fit has no series; add the section invert, or say of: pairs")
        yield [step, recipe.store("invert"), recipe.store(step), *words]
    elif of == "pairs":
        stack = _section(recipe, "stack")
        shared = [
            word
            for name, value in stack.items()
            if name != "files" and name in options_of(step) and name not in own
            for word in _words(step, name, value)
        ]
        picture = ["--plot", str(recipe.output / "closure.png")] if step == "closure" else []
        yield [step, *_files(recipe, stack), recipe.store(step), *shared, *words, *picture]
    else:
        raise FileError(f"{recipe.path}: fit: of is {of!r}; it is series or pairs")


def _files(recipe: Recipe, stack: Mapping[str, Any]) -> list[str]:
    files = stack.get("files")
    listed = [file for file in (files if isinstance(files, list) else [files]) if isinstance(file, str)]
    if not listed or (isinstance(files, list) and len(listed) < len(files)):
        raise FileError(f"{recipe.path}: stack: files is {files!r}; give a folder, a pattern or a list of files")
    return listed


def _words(verb: str, name: str, value: Any) -> list[str]:
    """What a user would type for an option."""
    option = options_of(verb)[name]
    if value is None:
        return []
    if option.is_flag:
        if not isinstance(value, bool):
            raise ArgumentError(f"{verb}: {name} is {value!r}; it is true or false")
        off = [opt for opt in option.secondary_opts if opt.startswith("--")]
        return [f"--{name}"] if value else off[:1]
    values = list(value) if isinstance(value, list | tuple) else [value]
    if isinstance(option.type, Several):
        return [f"--{name}", *map(str, values)]
    if len(values) != 1 and not option.multiple:
        raise ArgumentError(f"{verb}: {name} is {value!r}; one value is needed")
    return [word for item in values for word in (f"--{name}", str(item))]


def _parsed(recipe: Recipe, words: list[str]) -> click.Context:
    """Context of a command, its options checked by the command itself."""
    verb = cli.commands[words[0]]
    try:
        return verb.make_context(words[0], list(words[1:]), parent=click.Context(cli, info_name="insarray"))
    except click.ClickException as error:
        raise FileError(f"{recipe.path}: {words[0]}: {error.format_message()}") from error


def _run(recipe: Recipe, words: list[str]) -> None:
    click.echo("insarray " + shlex.join(words))
    with _parsed(recipe, words) as context:
        context.command.invoke(context)


# -- before and after -----------------------------------------------------------------------------------------------


def _check_stack(recipe: Recipe) -> None:
    """Open the interferograms, as the first step that needs them will."""
    for step in STEPS:
        if step in recipe.sections and step != "links":
            for words in _step(recipe, step, restart=False):
                options = _parsed(recipe, words).params
                if words[1] != recipe.store("invert") and "coherence" in options:
                    open_masked(options["files"][:-1], options)
                    return


def _check_made(recipe: Recipe) -> None:
    """Raise FileError unless what is to be made of the results can be."""
    for name in _listed(recipe, "export"):
        try:
            variable(name)
        except KeyError:
            raise FileError(f"{recipe.path}: export: {name!r} is not a variable of a result") from None
    for name in _listed(recipe, "plots"):
        if name not in _PLOTS:
            raise FileError(f"{recipe.path}: plots: {name!r} is not one of {', '.join(_PLOTS)}")
    if recipe.sections.get("report") not in (None, True, False):
        raise FileError(f"{recipe.path}: report is {recipe.sections['report']!r}; it is true or false")


def _listed(recipe: Recipe, name: str) -> list[str]:
    found = recipe.sections.get(name) or []
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(item, str) for item in listed):
        raise FileError(f"{recipe.path}: {name} is {found!r}; list names")
    return listed


def _claim(recipe: Recipe) -> None:
    """Make the folder of the results, or take one that an earlier run has made."""
    copy = recipe.output / _COPY
    if recipe.output.exists() and not copy.is_file() and (not recipe.output.is_dir() or any(recipe.output.iterdir())):
        raise StoreError(
            f"{recipe.output}: exists and was not made by insarray run; give another output in {recipe.path}"
        )
    try:
        recipe.output.mkdir(parents=True, exist_ok=True)
        copy.write_text(recipe.text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{recipe.output}: cannot be written ({error.strerror})") from error


def _made(recipe: Recipe) -> Iterator[list[str]]:
    """Commands that make files of the results; they are made anew each time."""
    stores = [recipe.store(step) for step in ("fit", "invert", "closure") if step in recipe.sections]
    for name in _listed(recipe, "export"):
        having = next((store for store in stores if name in open_store(store).data_vars), None)
        if having is None:
            raise ArgumentError(f"{recipe.path}: export: no result has {name!r}")
        yield ["export", having, str(recipe.output / f"{name}.tif"), "--overwrite"]
    for name in _listed(recipe, "plots"):
        yield ["plot", name, _store_of_plot(recipe, name, stores), str(recipe.output / f"{name}.png")]
    if recipe.sections.get("report"):
        yield ["report", recipe.store("invert"), str(recipe.output / "report.html"), "--overwrite"]


def _store_of_plot(recipe: Recipe, name: str, stores: list[str]) -> str:
    if name == "points":
        return str(Path(recipe.store("links")) / "points.zarr")
    if name in ("closure", "network"):
        return recipe.store("closure" if name == "closure" else "invert")
    return next((store for store in stores if "velocity" in open_store(store).data_vars), recipe.store("invert"))
