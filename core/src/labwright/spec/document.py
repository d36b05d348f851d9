"""Reads a YAML file into a model. Every mistake names file, line, field and remedy, and all of a file come at once."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml.constructor import SafeConstructor

from labwright.errors import Cause, LabwrightError
from labwright.spec.lenient import eased, keys, models

LARGEST = 64 * 1024
FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The reader in C, ten times as fast, where PyYAML was built with it."""
DEEPEST = 16
"""Levels of nesting; our formats have half of them."""
SECRET_FIELDS = ("sshPassword", "configPassword")

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Remark:
    """Something about a file. line: from 1; 0 is the file as a whole, which `what` names then. hint: the remedy."""

    line: int
    what: str
    hint: str

    def said(self, path: Path) -> str:
        """The sentence, with its place."""
        return f"{path}:{self.line}: {self.what}" if self.line else self.what


@dataclass(frozen=True)
class Document(Generic[Model]):
    """What a file says, and where. lines: the line of every place in it."""

    path: Path
    value: Model
    lines: Mapping[Location, int]

    def line(self, place: Location) -> int:
        """The line of a place; where the file has none, of what is around it."""
        return _line(place, self.lines)

    def mistake(self, place: Location, what: str, hint: str) -> LabwrightError:
        """An error about what stands at a place."""
        field = ".".join(str(part) for part in place if isinstance(part, str))
        remark = Remark(self.line(place), f"{field + ': ' if field else ''}{what}", hint)
        return LabwrightError(remark.said(self.path), cause=Cause.CONFIG, hint=hint)


@dataclass(frozen=True)
class Reading(Generic[Model]):
    """One reading of a file. document: None where there are mistakes. warnings: unknown keys of a lenient model."""

    path: Path
    document: Document[Model] | None
    mistakes: tuple[Remark, ...]
    warnings: tuple[Remark, ...]


class _RefusedError(Exception):
    """The file holds nothing that a model could be made of."""

    def __init__(self, what: str, hint: str, line: int = 0) -> None:
        super().__init__(what)
        self.remark = Remark(line, what, hint)


def read_document(path: Path, model: type[Model], *, absent: str, help_: str) -> Document[Model]:
    """The file as this model. absent: what to do where there is no such file; help_: where the keys are explained.

    Raises LabwrightError (config).
    """
    reading = examine_document(path, model, absent=absent, help_=help_)
    if reading.document is None:
        messages = [remark.said(path) for remark in reading.mistakes]
        raise LabwrightError(messages[0], cause=Cause.CONFIG, details=messages[1:], hint=reading.mistakes[0].hint)
    return reading.document


def examine_document(path: Path, model: type[Model], *, absent: str, help_: str) -> Reading[Model]:
    """The same with all that is wrong as data, in the order of lines. Raises nothing for what the file holds."""
    try:
        nodes = _compose(_read(path, absent))
    except _RefusedError as error:
        return Reading(path, None, (error.remark,), ())
    plain = _Plain()
    data, unknown = eased(plain.values(nodes, ()), model, plain.texts)
    said = list(plain.mistakes)
    value = None
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        said += [(_line(details["loc"], plain.lines), _sentence(details, data, model)) for details in found]
    mistakes = tuple(Remark(line, sentence, help_) for line, sentence in sorted(said))
    warnings = sorted((_line(place, plain.lines), _unknown_key(place, model)) for place in unknown)
    document = Document(path, value, plain.lines) if value is not None and not mistakes else None
    hint = "nothing reads it: mend it or take it out"
    return Reading(path, document, mistakes, tuple(Remark(line, what, hint) for line, what in warnings))


def _read(path: Path, absent: str) -> str:
    try:
        # A pipe of that name would keep us waiting for its writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise _RefusedError(f"{path} is not a file", "put a file of text there")
            data = stream.read(LARGEST + 1)
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise _RefusedError(f"there is no {path}", absent) from None
    except OSError as error:
        raise _RefusedError(f"{path} cannot be read: {error.strerror}", "mend its owner and mode") from error
    except UnicodeDecodeError as error:
        raise _RefusedError(f"{path} is not UTF-8 text", "save it as UTF-8") from error
    if len(data) > LARGEST:
        raise _RefusedError(f"{path} is larger than {LARGEST // 1024} KiB", "is it the right file?")
    return text


def _compose(text: str) -> yaml.MappingNode:
    """The node tree, without building any object.

    Refused before there is a tree: aliases, since a few lines of them can fill the memory; tags, which name types of
    the reader's; and deep nesting, which takes the parser longer with every level.
    """
    hint = "mend the YAML: two spaces for each level, a space after each colon, texts with special signs in quotes"
    try:
        node = _node(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        # What it quotes may be part of a password; a single character and the names of tokens are not.
        problem = re.sub(r"(['\"])(?!<)[^'\"]{4,}\1", "…", problem)
        raise _RefusedError(f"not YAML: {problem}", hint, line) from None
    except (RecursionError, ValueError) as error:
        raise _RefusedError(f"not YAML that can be read: {error}", hint, 1) from None
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1 if node else 1
        raise _RefusedError(
            "the file is not a list of keys and values", "begin each line with a key, a colon and its value", line
        )
    return node


def _node(text: str) -> yaml.Node | None:
    """The document's node. Raises yaml.YAMLError in the words of the reader in Python, the clearer ones."""
    try:
        _refuse_unusual(text, FAST)
        return yaml.compose(text, Loader=FAST)
    except yaml.YAMLError:
        _refuse_unusual(text, yaml.SafeLoader)
        return yaml.compose(text, Loader=yaml.SafeLoader)


def _refuse_unusual(text: str, loader: Any) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        unusual = ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            unusual = "anchors and aliases are not allowed"
        elif getattr(event, "tag", None):
            unusual = "tags (words after an exclamation mark) are not allowed"
        elif depth > DEEPEST:
            unusual = f"nested more than {DEEPEST} levels deep"
        if unusual:
            line = event.start_mark.line + 1 if event.start_mark else 1
            hint = "write the value out; a text that begins with & * or ! needs quotes"
            raise _RefusedError(unusual, hint, line)


class _Plain:
    """Plain values of a node tree. lines: the line of every place. mistakes: line and sentence of each.

    texts: how the values that are no text are written.
    """

    def __init__(self) -> None:
        self.lines: dict[Location, int] = {}
        self.texts: dict[Location, str] = {}
        self.mistakes: list[tuple[int, str]] = []
        self._constructor = SafeConstructor()

    def values(self, node: yaml.Node, place: Location) -> Any:
        """The values of this node and all below it."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.values(value, (*place, index)) for index, value in enumerate(node.value))
        self.texts[place] = str(node.value)
        try:
            return self._constructor.construct_object(node)
        except (yaml.YAMLError, ValueError, OverflowError, LookupError):
            return str(node.value)

    def _mapping(self, node: yaml.MappingNode, place: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            line = key.start_mark.line + 1
            if not name:
                self.mistakes.append((line, "a key is not a word"))
                continue
            if name in mapping:
                self.mistakes.append((line, f"the key {name!r} is there twice: remove one of them"))
                continue
            self.lines[(*place, name)] = line
            mapping[name] = self.values(value, (*place, name))
        return mapping


def _line(place: Sequence[str | int], lines: Mapping[Location, int]) -> int:
    """The line of the innermost place that is in the file."""
    here = tuple(place)
    while here and here not in lines:
        here = here[:-1]
    return lines.get(here, 1)


def _unknown_key(place: Sequence[str | int], model: type[BaseModel]) -> str:
    return f"{'.'.join(map(str, place))}: unknown key{_suggestion(place, model)}"


def _sentence(details: ErrorDetails, data: Any, model: type[BaseModel]) -> str:
    place = details["loc"]
    field = ".".join(str(part) for part in place) or "the file"
    kind = details["type"]
    if kind == "extra_forbidden":
        return _unknown_key(place, model)
    if kind == "missing":
        return f"{field}: this key is missing"
    if place and place[-1] in SECRET_FIELDS:
        return f"{field}: not a password that can be used: text on one line, without colons"
    if kind in {"too_short", "string_too_short"} and not _at(data, place):
        return f"{field}: {'the list is' if kind == 'too_short' else 'the text is'} empty"
    message = details["msg"].removeprefix("Value error, ")
    if kind in {"string_type", "int_type", "bool_type", "tuple_type"}:
        wanted = {"string_type": "text", "int_type": "a number", "bool_type": "true or false", "tuple_type": "a list"}
        message = f"{wanted[kind]} is wanted, not {_name_of(_at(data, place))}"
        if kind == "string_type" and _at(data, place) is not None:
            message += "; put it in quotes"
    return f"{field}: {message}"


def _at(data: Any, place: Sequence[str | int]) -> Any:
    for part in place:
        data = data[part]
    return data


def _name_of(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", tuple: "a list", dict: "keys"}
    return names.get(type(value), "a date or time")


def _suggestion(place: Sequence[str | int], root: type[BaseModel]) -> str:
    """What an unknown key was perhaps meant to be, or where it belongs."""
    key, here = str(place[-1]), _model_at(root, place[:-1])
    if here is None:
        return ""
    if close := difflib.get_close_matches(key, keys(here), 1, 0.6):
        return f"; did you mean {close[0]!r}?"
    if here is not root and key in keys(root):
        return "; it belongs at the top"
    for name, field in root.model_fields.items():
        within = next(models(field.annotation), None)
        if here is root and within is not None and key in keys(within):
            return f"; it belongs under {field.alias or name}:"
    return ""


def _model_at(root: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel] | None:
    """The model of what stands at a place; a list's index and a mapping's key lead to the same one."""
    here = root
    for part in place:
        field = next((field for name, field in here.model_fields.items() if part in {name, field.alias}), None)
        if field is None:
            continue
        found = next(models(field.annotation), None)
        if found is None:
            return None
        here = found
    return here
