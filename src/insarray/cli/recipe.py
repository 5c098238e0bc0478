"""``insarray run``: convert the sections of a YAML file to options of commands, check them, and run the steps."""

import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr
import yaml

from insarray.cli import correction_commands, link_commands, output_commands, series_commands, stack_commands
from insarray.cli.components_points_export import Export, Links, Plot, Report
from insarray.cli.inputs import cropped
from insarray.cli.say import echo
from insarray.cli.stacks_and_series import Closure, Correct, Fit, Invert, Run
from insarray.cli.typed import Options, option_fields, suggestion
from insarray.engine.run.runner import check_store
from insarray.model.errors import FileError, InsarrayError, StoreError
from insarray.model.secrets import shown

STEPS: dict[str, type[Options]] = {
    "closure": Closure,
    "invert": Invert,
    "correct": Correct,
    "fit": Fit,
    "links": Links,
}
"""Sections whose keys are the options of the command of that name, in the order in which they run."""

OUTPUTS = ("export", "plots", "report")
"""Sections that list outputs."""

PLOTS = ("network", "velocity", "closure", "points")
"""Plots that a file may list."""

OWN = {"stack": ("files",), "fit": ("of",), "links": ("folder",)}
"""Keys that are not options."""

NOT_KEYS = ("json", "dry_run", "restart", "append", "plot")
"""Options that a file must not have."""

_STORES = {
    "closure": "closure.zarr",
    "invert": "series.zarr",
    "correct": "corrected.zarr",
    "fit": "model.zarr",
    "links": "links",
}
_COPY = "config.yaml"
_MOST_BYTES = 2**20
_MOST_ENTRIES = 20_000
_DEEPEST = 20


@dataclass(frozen=True)
class Recipe:
    """Parsed configuration file: path, content, output folder, sections by name.

    Relative paths are relative to the working directory, as on the command line.
    """

    path: str
    text: str
    output: Path
    sections: Mapping[str, Any]

    def store(self, step: str) -> str:
        """Return the output path of a step."""
        return str(self.output / _STORES[step])


def run(options: Run) -> None:
    """Check the whole file, then run its steps.

    Raises
    ------
    InsarrayError
        If the file, the inputs or a step are invalid.
    """
    recipe = read(options.config)
    steps = {step: _options(recipe, step, restart=options.restart) for step in STEPS if step in recipe.sections}
    built: dict[str, xr.Dataset] = {}
    for step, wanted in steps.items():
        with _section_named(recipe, step):
            built[step] = _built(recipe, wanted, built)
            if step in ("closure", "invert") and not options.restart:  # others may need computed input
                check_store(built[step], recipe.store(step))
    outputs = [*_exports(recipe, built), *_plots(recipe, built), *_report(recipe, built)]
    _check_folder(recipe)
    if options.dry_run:
        for name, wanted in [*steps.items(), *outputs]:
            _print(recipe, name, wanted)
        return
    _claim(recipe)
    for step, wanted in steps.items():
        _print(recipe, step, wanted)
        _compute(wanted, built[step], recipe.store(step))
    for name, wanted in outputs:
        _print(recipe, name, wanted)
        getattr(output_commands, name)(wanted)


# -- file -----------------------------------------------------------------------------------------------------------


def read(path: str) -> Recipe:
    """Read a YAML file.

    Raises
    ------
    FileError
        If it cannot be read, or is not a mapping of known sections.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise FileError(
                f"{path}: has more than {_MOST_BYTES} bytes, the limit for a configuration; give another file"
            )
        text = content.decode("utf-8")
        found = yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise FileError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(found, dict):
        raise FileError(f"{path}: has no sections; insarray config prints a template")
    known = ("output", "stack", *STEPS, *OUTPUTS)
    for name in found:
        if name not in known:
            raise FileError(f"{path}: section {name!r} is not known; {suggestion(name, known)}")
    if not any(step in found for step in STEPS):
        raise FileError(f"{path}: has no step; add one of the sections {', '.join(STEPS)}")
    output = found.get("output", "results")
    if not isinstance(output, str):
        raise FileError(f"{path}: output is {repr(output)[:80]}; give the name of a folder")
    return Recipe(path, text, Path(output), found)


class _Loader(yaml.SafeLoader):
    """Safe loader with limited depth and size, which refuses duplicate keys."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._count = 0
        self._sizes: dict[int, int] = {}  # entries of each node, including those repeated by aliases

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose a node, and refuse documents that are too deep or, with expanded aliases, too long."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._depth, self._count = self._depth + 1, self._count + 1
        if self._count > _MOST_ENTRIES:
            raise yaml.composer.ComposerError(problem=f"more than {_MOST_ENTRIES} entries", problem_mark=mark)
        if self._depth > _DEEPEST:
            raise yaml.composer.ComposerError(problem=f"more than {_DEEPEST} levels", problem_mark=mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and id(node) not in self._sizes:
            self._sizes[id(node)] = size = 1 + sum(self._sizes.get(id(part), _MOST_ENTRIES) for part in _parts(node))
            if size > _MOST_ENTRIES:
                raise yaml.composer.ComposerError(problem=f"more than {_MOST_ENTRIES} entries", problem_mark=mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT002
        """Construct a mapping; refuse duplicate keys."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        seen: set[str] = set()
        for key in map(repr, keys):
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.strip(chr(39))} is there twice", problem_mark=node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _section(recipe: Recipe, name: str) -> dict[str, Any]:
    given = recipe.sections.get(name) or {}
    if not isinstance(given, dict):
        raise FileError(f"{recipe.path}: {name} is {given!r}; write its options below it, each on a line of its own")
    return given


@contextmanager
def _section_named(recipe: Recipe, section: str) -> Iterator[None]:
    """Context that prefixes errors with file and section, and replaces option names by keys of the file."""
    keys = {entry.name for cls in STEPS.values() for entry in option_fields(cls)} - set(NOT_KEYS)

    def key_of(found: re.Match[str]) -> str:
        name = found[1].replace("-", "_")
        return name if name in keys else found[0]

    try:
        yield
    except InsarrayError as error:
        text = re.sub(r"--([a-z][a-z-]*[a-z])", key_of, str(error))
        raise type(error)(f"{recipe.path}: {section}: {text}") from error


# -- steps ----------------------------------------------------------------------------------------------------------


def _options(recipe: Recipe, step: str, *, restart: bool) -> Options:
    """Return the options of a step: its own, and those of the stack."""
    cls, own, out = STEPS[step], _section(recipe, step), recipe.store(step)
    with _section_named(recipe, step):
        given = {key: value for key, value in own.items() if key not in OWN.get(step, ())}
        if step == "links":
            if "folder" not in own:
                raise FileError("folder: is missing; give the folder of the wrapped stack")
            return cls.from_mapping(given, leave_out=NOT_KEYS, stack=str(own["folder"]), out=out, restart=restart)
        if step == "correct":
            if "invert" not in recipe.sections:
                raise FileError("there is no series; add the section invert")
            given = {"dem": _section(recipe, "stack").get("dem")} | given
            files: tuple[str, ...] = (recipe.store("invert"),)
            return cls.from_mapping(given, leave_out=NOT_KEYS, files=files, restart=restart, out=out)
        of = own.get("of", "series") if step == "fit" else "pairs"
        if of not in ("series", "pairs"):
            raise FileError(f"of: is {of!r}; it is series or pairs")
        if of == "series" and "invert" not in recipe.sections:
            raise FileError("of: there is no series; add the section invert, or give of: pairs")
        if of == "series":
            files = (recipe.store(_series_step(recipe)),)
        else:
            files, given = _files(recipe), _shared(recipe, cls, given) | given
        more: dict[str, Any] = {"plot": str(recipe.output / "closure.png")} if step == "closure" else {"out": out}
        return cls.from_mapping(given, leave_out=NOT_KEYS, files=files, restart=restart, **more)


def _series_step(recipe: Recipe) -> str:
    """Step whose series is fitted."""
    return "correct" if "correct" in recipe.sections else "invert"


def _shared(recipe: Recipe, cls: type[Options], own: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the entries of the stack that are options of a step, unless the step sets them itself."""
    readers = [STEPS[step] for step in ("closure", "invert", "fit")]
    given, mine = {}, {cls.name_of(key) for key in own}
    for key, value in _section(recipe, "stack").items():
        if key in OWN["stack"]:
            continue
        if not any(reader.name_of(key) for reader in readers):
            known = {entry.name for reader in readers for entry in option_fields(reader)} - set(NOT_KEYS)
            raise FileError(f"stack: {key}: is not known; {suggestion(key, known)}")
        if cls.name_of(key) not in (None, *mine):
            given[key] = value
    return given


def _files(recipe: Recipe) -> tuple[str, ...]:
    files = _section(recipe, "stack").get("files")
    listed = tuple(file for file in (files if isinstance(files, list) else [files]) if isinstance(file, str))
    if not listed or (isinstance(files, list) and len(listed) < len(files)):
        raise FileError(f"stack: files is {files!r}; give a folder, a pattern or a list of files")
    return listed


def _built(recipe: Recipe, options: Options, built: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """Return the lazy result of a step, so that errors are raised before anything is computed."""
    if isinstance(options, Links):
        return link_commands.wrapped_of(options)
    if isinstance(options, Fit):
        step = _series_step(recipe)
        of_series = options.files == (recipe.store(step),)
        series = cropped(built[step], options.area, options.files[0]) if of_series else None
        return series_commands.model_of(options, series)
    if isinstance(options, Correct):  # what is fitted to the data is not known before they are computed
        return correction_commands.corrected_of(replace(options, stratified=None), built["invert"], partly=True)
    if isinstance(options, Closure):
        return stack_commands.loops_of(options)
    assert isinstance(options, Invert)  # noqa: S101 - there are no other steps
    return stack_commands.series_of(options)


def _compute(options: Options, built: xr.Dataset, out: str) -> None:
    if isinstance(options, Links):
        link_commands.links(options)
    elif isinstance(options, Fit):
        series_commands.fit(options)  # of the series that is stored now
    elif isinstance(options, Correct):
        correction_commands.correct(options)
    elif isinstance(options, Closure):
        stack_commands.compute_closure(built, options, out)
    elif isinstance(options, Invert):
        stack_commands.compute_series(built, options)


def _print(recipe: Recipe, name: str, options: Options) -> None:
    if isinstance(options, Closure):  # its store is the last of its files
        options = replace(options, files=(*options.files, recipe.store(name)))
    echo("insarray " + shlex.join([name, *options.words()]))


# -- outputs --------------------------------------------------------------------------------------------------------


def _listed(recipe: Recipe, name: str) -> list[str]:
    found = recipe.sections.get(name) or []
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(item, str) for item in listed):
        raise FileError(f"{recipe.path}: {name} is {found!r}; list names")
    return listed


def _having(built: Mapping[str, xr.Dataset], variable: str) -> str | None:
    """Step whose result has a variable, the last one first."""
    return next(
        (step for step in ("fit", "correct", "invert", "closure") if step in built and variable in built[step]), None
    )


def _exports(recipe: Recipe, built: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, Options]]:
    for name in _listed(recipe, "export"):
        step = _having(built, name)
        if step is None:
            raise FileError(f"{recipe.path}: export: {name!r} is not a variable of a result of these steps")
        path = str(recipe.output / f"{name}.tif")
        yield "export", Export(store=recipe.store(step), path=path, overwrite=True)


def _plots(recipe: Recipe, built: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, Options]]:
    for name in _listed(recipe, "plots"):
        if name not in PLOTS:
            raise FileError(f"{recipe.path}: plots: {name!r} is not one of {', '.join(PLOTS)}")
        of = {"network": "invert", "closure": "closure", "points": "links", "velocity": _having(built, "velocity")}
        step = of[name]
        if step not in built or step is None:
            needed = "invert or fit" if name == "velocity" else step
            raise FileError(f"{recipe.path}: plots: {name} needs the step {needed}")
        store = str(Path(recipe.store(step)) / "points.zarr") if name == "points" else recipe.store(step)
        yield "plot", Plot(what=name, store=store, path=str(recipe.output / f"{name}.png"))  # type: ignore[arg-type]


def _report(recipe: Recipe, built: Mapping[str, xr.Dataset]) -> Iterator[tuple[str, Options]]:
    wanted = recipe.sections.get("report")
    if wanted not in (None, True, False):
        raise FileError(f"{recipe.path}: report is {wanted!r}; it is true or false")
    if wanted:
        step = next((step for step in ("correct", "invert", "fit") if step in built), None)
        if step is None:
            raise FileError(f"{recipe.path}: report needs the step invert or fit")
        yield "report", Report(store=recipe.store(step), path=str(recipe.output / "report.html"), overwrite=True)


def _check_folder(recipe: Recipe) -> None:
    """Raise StoreError if the output folder exists and is not from an earlier run."""
    output, copy = recipe.output, recipe.output / _COPY
    if output.exists() and not copy.is_file() and (not output.is_dir() or any(output.iterdir())):
        raise StoreError(f"{output}: exists and was not made by insarray run; give another output in {recipe.path}")


def _claim(recipe: Recipe) -> None:
    """Create the output folder, with a copy of the file."""
    try:
        recipe.output.mkdir(parents=True, exist_ok=True)
        (recipe.output / _COPY).write_text(shown(recipe.text), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{recipe.output}: cannot be written ({error.strerror})") from error
