"""Options as typed classes: a field defines the option, its help, the key in a configuration file and its JSON schema.

A field is named after the keyword of the function to which it is passed.
"""

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import date
from types import NoneType, UnionType
from typing import Any, Literal, Self, cast, dataclass_transform, get_args, get_origin

import click

from insarray.model.deprecation import warn_renamed
from insarray.model.errors import ArgumentError
from insarray.model.numbers import plain_number

_FILES = {"GLOB", "CSV", "RASTER", "FILE", "PATH", "FILES", "OUT", "STORE", "SERIES", "STACK", "CONFIG"}
"""Metavars that stand for files, which the shell completes."""


# -- fields ---------------------------------------------------------------------------------------------------------


def option(
    text: str, default: Any = None, metavar: str | None = None, *, was: str | None = None,
    kind: click.ParamType | None = None,  # type: ignore[type-arg, unused-ignore]
    limits: tuple[float | None, float | None] = (None, None), above: float | None = None,
    names: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    """Define an option with a value: help text, default, metavar, and former name.

    `kind` is the type if it does not follow from the annotation, `limits` are the minimum and maximum, `above` is an
    exclusive minimum. `names` are spellings other than that of the field.
    """
    limits = limits if above is None else (above, None)
    more = {"text": text, "metavar": metavar, "was": was, "kind": kind, "limits": limits, "open": above is not None}
    return field(default=default, metadata={**more, "names": names})


def flag(text: str, *, default: bool = False, names: tuple[str, ...] = ()) -> Any:
    """Define an option without a value; one that is on by default is switched off by ``--no-...``."""
    return option(text, default, names=names)


def argument(metavar: str, default: Any = MISSING) -> Any:
    """Define a positional argument."""
    return field(default=default, metadata={"argument": metavar, "metavar": metavar})


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Options:
    """Base class of the options of a command; its base classes are groups of options, by which the help is arranged."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True, repr=False)(cls)

    def keywords(self, *groups: "type[Options]") -> dict[str, Any]:
        """Return the keywords of the functions to which the groups belong."""
        return {entry.name: getattr(self, entry.name) for group in groups for entry in fields_of(group)}

    def given(self, *groups: "type[Options]") -> dict[str, Any]:
        """Return the keywords whose values differ from the defaults."""
        defaults = {entry.name: entry.default for group in groups for entry in fields_of(group)}
        return {name: value for name, value in self.keywords(*groups).items() if value != defaults[name]}

    @classmethod
    def name_of(cls, key: object) -> str | None:
        """Return the field for a key of a file, by its name or its former one; None if there is none."""
        word = dashed(str(key))
        return next((e.name for e in option_fields(cls) if word in (dashed(e.name), e.metadata["was"])), None)

    @classmethod
    def from_mapping(cls, given: Mapping[Any, Any], leave_out: Iterable[str] = (), **more: Any) -> Self:
        """Create options from the entries of a file, named with underscores or dashes, and from other fields.

        Raises an ArgumentError that names an entry that is unknown, in `leave_out`, or invalid.
        """
        known = {entry.name: entry for entry in option_fields(cls) if entry.name not in leave_out}
        values: dict[str, Any] = {}
        for key, value in given.items():
            name = cls.name_of(key)
            if name is not None and dashed(name) != dashed(str(key)):
                warn_renamed(str(key), name)
            if name not in known:
                raise ArgumentError(f"{key}: is not known; {suggestion(key, known)}")
            if name in values:
                raise ArgumentError(f"{key}: is given twice, with its old and its new name")
            if value is not None:
                values[name] = _checked(known[name], value)
        return cls(**values, **more)

    def words(self) -> list[str]:
        """Return the values as words of a command line."""
        places = [getattr(self, entry.name) for entry in arguments(type(self))]
        words = [word for place in places for word in (place if isinstance(place, tuple) else (place,))]
        for entry in option_fields(type(self)):
            value, name = getattr(self, entry.name), spellings(entry)[-1]
            if value == entry.default:
                continue
            if isinstance(value, bool):
                words.append(name if value else f"--no-{dashed(entry.name)}")
            elif isinstance(param_type(entry), Several):
                words += [name, *map(_plain, value)]
            else:
                words += [w for item in (value if is_list(entry) else (value,)) for w in (name, _plain(item))]
        return words


def fields_of(cls: type[Options]) -> tuple[Field[Any], ...]:
    """Return the fields of a class in order."""
    return fields(cast("Any", cls))


def option_fields(cls: type[Options]) -> list[Field[Any]]:
    """Return the fields that are options in the order of the help: those of the class, then of its groups."""
    return [entry for _, entries in grouped(cls) for entry in entries]


def grouped(cls: type[Options]) -> list[tuple[type, list[Field[Any]]]]:
    """Return the class and its groups, each with the options that it adds."""
    found = [(group, [entry for entry in entries if "argument" not in entry.metadata]) for group, entries in _own(cls)]
    return [(group, entries) for group, entries in found if entries]


def arguments(cls: type[Options]) -> list[Field[Any]]:
    """Return the fields that are arguments, in the order of the command line."""
    return [entry for _, entries in _own(cls) for entry in entries if "argument" in entry.metadata]


def _own(cls: type[Options]) -> list[tuple[type, list[Field[Any]]]]:
    """Return the class and its groups, each with the fields that it adds."""
    left = {entry.name: entry for entry in fields_of(cls)}
    return [(g, [left.pop(name) for name in inspect.get_annotations(g) if name in left]) for g in cls.__mro__]


def spellings(entry: Field[Any]) -> tuple[str, ...]:
    """Return all names of the option of a field."""
    return entry.metadata["names"] or (f"--{dashed(entry.name)}",)


def dashed(name: str) -> str:
    """Return the name of a field as in an option, without leading dashes."""
    return name.replace("_", "-")


def suggestion(name: object, known: Iterable[str]) -> str:
    """Suggest the known name nearest to an unknown one, or list all."""
    near = difflib.get_close_matches(str(name), known := sorted(known), 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


# -- types ----------------------------------------------------------------------------------------------------------


def _plain_text(kind: click.ParamType, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # type: ignore[type-arg, unused-ignore]
    """Return the value; fail if it is text that only Python takes for a number."""
    if isinstance(value, str):
        try:
            plain_number(value)
        except ValueError:
            kind.fail(f"{value!r} is not a valid {kind.name.removesuffix(' range')}.", param, ctx)
    return value


class _PlainFloat(click.types.FloatParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(_plain_text(self, value, param, ctx), param, ctx)


class _PlainInt(click.types.IntParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(_plain_text(self, value, param, ctx), param, ctx)


class _PlainFloatRange(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(_plain_text(self, value, param, ctx), param, ctx)


class _PlainIntRange(click.IntRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert(_plain_text(self, value, param, ctx), param, ctx)


NUMBER, WHOLE = _PlainFloat(), _PlainInt()
"""Types of numbers in the digits 0 to 9: no ``1_000``, ``nan``, ``inf``, and no digits of other scripts."""


class Several(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Value of several words; `count` returns how many."""

    def count(self, words: Sequence[str]) -> int:
        """Return how many words after the option belong to it: up to the next option."""
        return next((k for k, word in enumerate(words) if word.startswith("-")), len(words))


class Range(Several):
    """Minimum and maximum, and optionally a step."""

    name = "range"

    def count(self, words: Sequence[str]) -> int:
        """Count up to three numbers, which may be negative."""
        return next((k for k, word in enumerate(words[:3]) if not _is_number(word)), len(words[:3]))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Convert to two or three numbers, whose values the library checks."""
        if isinstance(value, tuple):
            return value
        words = str(value).split()
        if len(words) not in (2, 3) or not all(map(_is_number, words)):
            self.fail(f"{value!r} is not MIN MAX, or MIN MAX STEP", param, ctx)
        return tuple(map(plain_number, words))


class LonLats(Several):
    """Longitudes and latitudes by turns, of one place or several."""

    name = "lon lat"

    def count(self, words: Sequence[str]) -> int:
        """All numbers that follow, which may be negative."""
        return next((k for k, word in enumerate(words) if not _is_number(word)), len(words))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """An even number of numbers; the library checks their values."""
        if isinstance(value, tuple):
            return value
        words = str(value).split()
        if not words or len(words) % 2 or not all(map(_is_number, words)):
            self.fail(f"{value!r} is not LON LAT, or several of them", param, ctx)
        return tuple(map(plain_number, words))


class DateAndDays(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """DATE,DAYS: an event and its relaxation time."""

    name = "date,days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Convert the days to a number; the date remains text."""
        if isinstance(value, tuple):
            return value
        day, _, days = str(value).partition(",")
        if not _is_number(days):
            self.fail(f"{value!r} is not DATE,DAYS", param, ctx)
        return day, plain_number(days)


def _is_number(word: str) -> bool:
    try:
        plain_number(word)
    except ValueError:
        return False
    return True


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_plain, value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def is_list(entry: Field[Any]) -> bool:
    """Return whether the option may be given several times."""
    one = get_args(entry.type)[0] if get_origin(entry.type) is tuple else None
    return one is not None and (not isinstance(entry.metadata["kind"], Several) or get_origin(one) is tuple)


def value_type(entry: Field[Any]) -> Any:
    """Return the type of one value, without None, and of the elements of a list."""
    kind: Any = entry.type
    if isinstance(kind, UnionType) or (get_origin(kind) is not None and NoneType in get_args(kind)):
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    return get_args(kind)[0] if get_origin(kind) is tuple else kind


def param_type(entry: Field[Any]) -> click.ParamType:  # type: ignore[type-arg, unused-ignore]
    """Return the click type of the option of a field."""
    kind, (least, most) = value_type(entry), entry.metadata.get("limits", (None, None))
    if entry.metadata.get("kind") is not None:
        return cast("click.ParamType", entry.metadata["kind"])  # type: ignore[type-arg, unused-ignore]
    if get_origin(kind) is Literal:
        return click.Choice(get_args(kind))
    if kind in (int, float):
        open_ = entry.metadata["open"]
        limited = (least, most) != (None, None)
        if kind is int:
            return _PlainIntRange(least, most, min_open=open_) if limited else WHOLE
        return _PlainFloatRange(least, most, min_open=open_) if limited else NUMBER
    if kind is bool:
        return click.BOOL
    return click.Path(readable=False) if entry.metadata["metavar"] in _FILES else click.STRING


def _checked(entry: Field[Any], value: Any) -> Any:
    """Check and convert a value of a file as on the command line."""
    kind, name = param_type(entry), entry.name
    if isinstance(value, bool) != (value_type(entry) is bool):
        raise ArgumentError(
            f"{name}: is {value!r}; " + ("it is true or false" if kind is click.BOOL else "give a value")
        )
    if is_list(entry) and entry.metadata["kind"] is None and isinstance(value, str):
        value = value.split(",")  # as on the command line
    values = list(value) if isinstance(value, list) else [value]
    if isinstance(kind, Several):
        return _converted(kind, name, " ".join(map(_word, values)))
    if is_list(entry):
        return tuple(_converted(kind, name, item) for item in values)
    if len(values) != 1:
        raise ArgumentError(f"{name}: is {value!r}; one value is needed")
    return _converted(kind, name, values[0])


def _converted(kind: click.ParamType, name: str, value: Any) -> Any:  # type: ignore[type-arg, unused-ignore]
    if isinstance(value, dict):
        raise ArgumentError(f"{name}: is {value!r}; give a value")
    word = ",".join(map(_word, value)) if isinstance(value, list) else _word(value)
    try:
        return kind.convert(value if isinstance(value, bool) else word, None, None)
    except click.ClickException as error:
        raise ArgumentError(f"{name}: {error.message}") from error


def _word(value: object) -> str:
    """Return the text of an entry; YAML converts text that resembles a date."""
    return value.isoformat() if isinstance(value, date) else str(value)


# -- JSON schema ----------------------------------------------------------------------------------------------------


def schema(cls: type[Options], leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Return the properties of the JSON schema of a class."""
    return {entry.name: _entry(entry) for entry in option_fields(cls) if entry.name not in leave_out}


def _entry(entry: Field[Any]) -> dict[str, Any]:
    kind, (least, most) = value_type(entry), entry.metadata["limits"]
    names = {int: "integer", float: "number", bool: "boolean"}
    one: dict[str, Any] = {"type": names.get(kind, "string")}
    if get_origin(kind) is Literal:
        one["enum"] = list(get_args(kind))
    bounds = {"exclusiveMinimum" if entry.metadata["open"] else "minimum": least, "maximum": most}
    one |= {name: bound for name, bound in bounds.items() if bound is not None}
    if isinstance(entry.metadata["kind"], Several):
        one = {"type": "array", "items": one, "minItems": 2, "maxItems": 3}
    elif isinstance(entry.metadata["kind"], DateAndDays):
        one = {"type": ["string", "array"]}
    if is_list(entry):
        one = {"anyOf": [one, {"type": "array", "items": one}]}
    default = list(entry.default) if isinstance(entry.default, tuple) else entry.default
    return one | {"description": entry.metadata["text"]} | ({} if default is None else {"default": default})
