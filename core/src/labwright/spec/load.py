"""Reads image.meta.yaml. Every error names file, line, field and remedy, and all errors of a file come at once."""

from __future__ import annotations

import difflib
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from labwright.errors import Cause, LabwrightError
from labwright.spec.image import UNFIT_FOR_SOURCES, BuildSpec, ImageSpec, LoginSpec, PrivateFile
from labwright.spec.surroundings import from_environment

FILE = "image.meta.yaml"
LARGEST = 64 * 1024
DEEPEST = 16
"""Levels of nesting; the format has three."""
SECRET_FIELDS = ("sshPassword", "configPassword")

Location = tuple[str | int, ...]


def image_folder(place: Path) -> Path:
    """The folder of an image, from what a user names: the folder or the image.meta.yaml in it."""
    return (place.parent if place.name == FILE else place).resolve()


def load_image(place: Path, source: Path | None = None) -> ImageSpec:
    """The image that a folder (or its image.meta.yaml) describes. Raises LabwrightError (config).

    source: a disk to start from, whatever build.from says; nobody has vouched for that one.
    """
    path = place if place.name == FILE else place / FILE
    nodes = _compose(path, _read(path))
    plain = _Plain()
    data = plain.values(nodes, ())
    said = list(plain.mistakes)
    spec = None
    try:
        spec = ImageSpec.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        said += [(_line(details["loc"], plain.lines), _sentence(details, data)) for details in found]
    if spec is None or said:
        messages = [f"{path}:{line}: {sentence}" for line, sentence in sorted(said)]
        raise LabwrightError(
            messages[0],
            cause=Cause.CONFIG,
            details=messages[1:],
            hint="docs/write-an-image.md lists the keys; `labwright schema` prints a schema for your editor",
        )
    folder = path.parent.resolve().name
    if spec.slug != folder:
        raise LabwrightError(
            f"{path}:{plain.lines[('slug',)]}: slug is {spec.slug!r}, but the folder is called {folder!r}",
            cause=Cause.CONFIG,
            hint="make them the same: the platform finds the image by its slug",
        )
    if source is not None:
        if not source.is_file():
            raise LabwrightError(f"--from: there is no file {source}", cause=Cause.CONFIG, hint="name a disk image")
        changes = {"source": str(source.resolve()), "sha256": None}
        spec = spec.model_copy(update={"build": spec.build.model_copy(update=changes)})
    spec = _resolved(spec, path, plain.lines)
    return spec.model_copy(update={"build": from_environment(spec.build)})


def _resolved(spec: ImageSpec, path: Path, lines: dict[Location, int]) -> ImageSpec:
    """The image with paths that hold wherever labwright is started; what they name is there."""
    folder, build = path.parent.resolve(), spec.build

    def refuse(place: Location, what: str, hint: str) -> None:
        field = ".".join(str(part) for part in place if isinstance(part, str))
        raise LabwrightError(f"{path}:{_line(place, lines)}: {field}: {what}", cause=Cause.CONFIG, hint=hint)

    changes: dict[str, str] = {}
    if build.keyring is not None:
        changes["keyring"] = keyring = str(folder / build.keyring)
        if UNFIT_FOR_SOURCES.search(keyring):
            refuse(
                ("build", "keyring"),
                f"apt cannot read the path {keyring!r}",
                "put the keyring where no folder's name has blanks, quotes or brackets, and write its whole path",
            )
    if build.source is not None:
        changes["source"] = source = str(folder / Path(os.path.expanduser(build.source)))  # noqa: PTH111
        if not Path(source).is_file():
            refuse(("build", "from"), f"there is no file {source}", "put the disk image there, or mend the path")
    for key, names in (("playbook", (build.playbook,)), ("pre", build.pre), ("post", build.post)):
        for index, name in enumerate(names):
            file = folder / (name or "")
            # A link could point out of the folder, which is all that the image depends on.
            if name and (not file.is_file() or not file.resolve().is_relative_to(folder)):
                place = ("build", key) if key == "playbook" else ("build", key, index)
                refuse(place, f"there is no file {name} in {folder}", "put it beside this file, or mend the name")
    return spec.model_copy(update={"build": build.model_copy(update=changes)}) if changes else spec


def _read(path: Path) -> str:
    try:
        # A pipe of that name would keep us waiting for its writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise LabwrightError(f"{path} is not a file", cause=Cause.CONFIG, hint="put a file of text there")
            data = stream.read(LARGEST + 1)
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise LabwrightError(
            f"there is no {path}", cause=Cause.CONFIG, hint=f"name a folder that holds {FILE}, such as images/debian"
        ) from None
    except OSError as error:
        raise LabwrightError(
            f"{path} cannot be read: {error.strerror}", cause=Cause.CONFIG, hint="mend its owner and mode"
        ) from error
    except UnicodeDecodeError as error:
        raise LabwrightError(f"{path} is not UTF-8 text", cause=Cause.CONFIG, hint="save it as UTF-8") from error
    if len(data) > LARGEST:
        raise LabwrightError(
            f"{path} is larger than {LARGEST // 1024} KiB", cause=Cause.CONFIG, hint="is it the right file?"
        )
    return text


def _compose(path: Path, text: str) -> yaml.MappingNode:
    """The node tree, without building any object.

    Refused before there is a tree: aliases, since a few lines of them can fill the memory; tags, which name types of
    the reader's; and deep nesting, which takes the parser longer with every level.
    """
    hint = "mend the YAML: two spaces for each level, a space after each colon, texts with special signs in quotes"
    try:
        _refuse_unusual(path, text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        # What it quotes may be part of a password; a single character and the names of tokens are not.
        problem = re.sub(r"(['\"])(?!<)[^'\"]{4,}\1", "…", problem)
        raise LabwrightError(f"{path}:{line}: not YAML: {problem}", cause=Cause.CONFIG, hint=hint) from None
    except (RecursionError, ValueError) as error:
        raise LabwrightError(f"{path}:1: not YAML that can be read: {error}", cause=Cause.CONFIG, hint=hint) from None
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1 if node else 1
        raise LabwrightError(
            f"{path}:{line}: the file is not a list of keys and values",
            cause=Cause.CONFIG,
            hint="begin with: slug: ...",
        )
    return node


def _refuse_unusual(path: Path, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
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
            raise LabwrightError(
                f"{path}:{line}: {unusual}",
                cause=Cause.CONFIG,
                hint="write the value out; a text that begins with & * or ! needs quotes",
            )


class _Plain:
    """Plain values of a node tree. lines: the line of every place. mistakes: line and sentence of each."""

    def __init__(self) -> None:
        self.lines: dict[Location, int] = {}
        self.mistakes: list[tuple[int, str]] = []

    def values(self, node: yaml.Node, place: Location) -> Any:
        """The values of this node and all below it."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return tuple(self.values(value, (*place, index)) for index, value in enumerate(node.value))
        try:
            return yaml.SafeLoader("").construct_object(node)
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


def _line(place: Sequence[str | int], lines: dict[Location, int]) -> int:
    """The line of the innermost place that is in the file."""
    here = tuple(place)
    while here and here not in lines:
        here = here[:-1]
    return lines.get(here, 1)


def _sentence(details: ErrorDetails, data: Any) -> str:
    place = details["loc"]
    field = ".".join(str(part) for part in place) or "the file"
    kind = details["type"]
    if kind == "extra_forbidden":
        return f"{field}: unknown key{_suggestion(place)}"
    if kind == "missing":
        return f"{field}: this key is missing"
    if place and place[-1] in SECRET_FIELDS:
        return f"{field}: not a password that can be used: text on one line, without colons"
    message = details["msg"].removeprefix("Value error, ")
    if kind in {"string_type", "int_type", "bool_type", "tuple_type"}:
        wanted = {"string_type": "text", "int_type": "a number", "bool_type": "true or false", "tuple_type": "a list"}
        message = f"{wanted[kind]} is wanted, not {_name_of(_at(data, place))}"
        if kind == "string_type":
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


def _suggestion(place: Sequence[str | int]) -> str:
    model: type[BaseModel] = BuildSpec if len(place) > 1 and place[0] == "build" else ImageSpec
    if model is BuildSpec and len(place) > 2:
        model = PrivateFile if place[1] == "privateFiles" else LoginSpec
    known = [field.alias or name for name, field in model.model_fields.items()]
    close = difflib.get_close_matches(str(place[-1]), known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    other = ImageSpec if model is BuildSpec else BuildSpec
    if str(place[-1]) in {field.alias or name for name, field in other.model_fields.items()}:
        return "; it belongs " + ("at the top" if model is BuildSpec else "under build:")
    return ""
