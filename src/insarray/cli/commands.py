"""Click commands built from classes of options, and the group that lists them in sections."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field
from functools import cached_property
from typing import Any, TypeVar, get_origin

import click

from insarray.cli.typed import (
    Options,
    Several,
    arguments,
    dashed,
    grouped,
    is_list,
    option_fields,
    param_type,
    spellings,
    value_type,
)
from insarray.engine.threads import threads_without_distributed
from insarray.model.deprecation import warn_renamed

Class = TypeVar("Class", bound=type[Options])


class TypedCommand(click.Command):
    """Command whose options are the fields of a class."""

    def __init__(self, cls: type[Options], runs: str, section: str) -> None:
        self.cls, self.section = cls, section
        text = inspect.getdoc(cls) or ""
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", cls.__name__).lower()
        super().__init__(name, callback=_caller(cls, runs), help=text)
        del self.params  # made by the property below
        self.short_help = text.partition("\n")[0].rstrip(".")

    @cached_property
    def params(self) -> list[click.Parameter]:  # type: ignore[override]
        """Parameters of the command, made when they are needed: there are hundreds in the program."""
        return [*map(_argument, arguments(self.cls)), *map(_option, option_fields(self.cls))]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments after replacing old names, splitting lists at commas and joining multi-word values."""
        try:
            return super().parse_args(ctx, list(self._prepared(args)))
        except click.MissingParameter as error:
            raise click.UsageError(f"{error.format_message()} {self.get_usage(ctx)}", ctx) from error

    def _prepared(self, args: list[str]) -> Iterator[str]:
        entries = {name: entry for entry in option_fields(self.cls) for name in spellings(entry)}
        former = {f"--{entry.metadata['was']}": name for name, entry in entries.items() if entry.metadata["was"]}
        rest = list(args)
        while rest:
            word = rest.pop(0)
            name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
            if name in former:
                warn_renamed(name, former[name])
                name = former[name]
            entry = entries.get(name)
            if entry is None or value_type(entry) is bool or not (equals or rest):
                yield name + equals + value
                continue
            if isinstance(kind := param_type(entry), Several) and not equals:
                count = kind.count(rest)
                value, rest = " ".join(rest[:count]), rest[count:]
            elif not equals:
                value = rest.pop(0)
            for item in value.split(",") if is_list(entry) and entry.metadata["kind"] is None else [value]:
                yield from (name, item)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under the headings of their groups."""
        by_name = {parameter.name: parameter for parameter in self.get_params(ctx)}
        headings: dict[str, list[click.Parameter]] = {}
        for group, entries in grouped(self.cls):
            heading = "Options" if group is self.cls else (inspect.getdoc(group) or "").partition("\n")[0].rstrip(".")
            headings.setdefault(heading, []).extend(by_name.pop(entry.name) for entry in entries)
        for heading, parameters in (headings | {"Help": list(by_name.values())}).items():
            with formatter.section(heading):
                formatter.write_dl([record for one in parameters if (record := one.get_help_record(ctx))])


_SEVERAL = (" May be repeated.", " Several with commas, or repeat the option.")


def _caller(cls: type[Options], runs: str) -> Callable[..., Any]:
    """Return a function that imports the module of a command only when called, as these imports are slow."""
    module, _, name = runs.rpartition(".")

    def call(**values: Any) -> Any:
        function = getattr(importlib.import_module(module), name)
        with threads_without_distributed():
            return function(cls(**values))

    return call


def _argument(entry: Field[Any]) -> click.Argument:
    several = get_origin(entry.type) is tuple
    required = entry.default is MISSING
    settings: dict[str, Any] = {} if required else {"default": entry.default}
    return click.Argument(
        [entry.name], nargs=-1 if several else 1, required=required, type=param_type(entry),
        metavar=entry.metadata["metavar"] + ("..." if several else ""), **settings,
    )  # fmt: skip


def _option(entry: Field[Any]) -> click.Option:
    names, text, default = spellings(entry), entry.metadata["text"], entry.default
    required = default is MISSING
    if value_type(entry) is bool:
        both = [f"{names[-1]}/--no-{dashed(entry.name)}"] if default else names
        return click.Option([*both, entry.name], is_flag=True, default=default, help=text)
    many = is_list(entry)
    return click.Option(
        [*names, entry.name], type=param_type(entry), multiple=many, required=required,
        default=None if required else default, show_default=default not in (None, (), MISSING),
        metavar=entry.metadata["metavar"], help=text + (_SEVERAL[entry.metadata["kind"] is None] if many else ""),
    )  # fmt: skip


class Sections(click.Group):
    """Group that lists its commands in sections, with complete summaries."""

    def __init__(self, name: str, package: str, sections: Sequence[str], **settings: Any) -> None:
        super().__init__(name, **settings)
        self.package, self.sections = package, tuple(sections)

    def typed(self, section: str, runs: str) -> Callable[[Class], Class]:
        """Return a decorator that makes a command of a class; `runs` is module and function in the group's package."""

        def add(cls: Class) -> Class:
            self.add_command(TypedCommand(cls, f"{self.package}.{runs}", section))
            return cls

        return add

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands under the headings of their sections."""
        width = max(map(len, self.commands))
        for section in self.sections:
            inside = [c for c in self.commands.values() if getattr(c, "section", self.sections[-1]) == section]
            rows = [
                (f"{c.name:{width}}", c.short_help or (c.help or "").partition("\n")[0].rstrip(".")) for c in inside
            ]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)
