"""What is in a lesson's files, looked at without running any of it. Authors' files are not trusted."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from xml.parsers import expat

import yaml

from labwright.host.text import plain
from labwright.lesson import limits
from labwright.lesson.compiler import Compiler
from labwright.lesson.files import walk
from labwright.lesson.finding import Finding
from labwright.lesson.read import GUIDES, Lesson
from labwright.lesson.validate_configuration import Taken
from labwright.spec.lesson import FILE

LARGEST = 4 << 20
"""Bytes of a file that is looked into."""
MOST_FILES = 50_000
"""Files and folders of a lesson; the whole folder is copied for each job."""
DEEPEST = 100
XML_DRIVERS = ("junos", "iosxr_netconf")
"""NAPALM drivers that take a file that begins with < for XML."""
VALUE = re.compile(r"\{\{\s*[A-Za-z_][^{};]*\}\}")
"""Jinja's mark; curly braces of Junos have a semicolon or a line's end between them."""
MOST_MARKS = 100
"""Of a file that are said: one line is enough to see what it is."""
FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Said = tuple[int, str]
"""A line and a sentence."""


def content_findings(lesson: Lesson, taken: tuple[Taken, ...]) -> Iterator[Finding]:
    """What is wrong in guides and configuration files, and links that lead astray."""
    yield from _files(lesson.folder)
    with Compiler() as compiler:
        yield from _configurations(lesson, taken, compiler)
    for number, stage in enumerate(lesson.spec.stages):
        guide = lesson.stage_folder(number) / GUIDES[stage.guide_type]
        yield from _looked_at(guide, lesson.folder, partial(_guide, guide))


def _configurations(lesson: Lesson, taken: tuple[Taken, ...], compiler: Compiler) -> Iterator[Finding]:
    for one in taken:
        yield from _looked_at(one.path, lesson.folder, partial(_taken, one, compiler))
    used = {one.path for one in taken}
    for number in range(len(lesson.spec.stages)):
        folder = lesson.stage_folder(number)
        # Those that are taken may import or copy the others.
        for path in sorted(folder.glob("configs/**/*.py")):
            if path not in used and path.is_file():
                yield from _looked_at(path, lesson.folder, partial(_not_taken, path, compiler))


def _looked_at(path: Path, folder: Path, look: Callable[[bytes], Iterable[Finding]]) -> Iterator[Finding]:
    """What is found in a file, where it is one of the lesson's own and of a size that can be looked into."""
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return
        # A pipe of that name would keep us waiting for its writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return
            data = stream.read(LARGEST + 1)
    except (FileNotFoundError, IsADirectoryError):
        return
    except (RuntimeError, OSError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "a link leads in a circle"
        yield _unread(path, reason)
        return
    if len(data) > LARGEST:
        what = f"it is larger than {LARGEST >> 20} MiB, and was not looked into"
        yield Finding(path, 1, "warning", "size", what, "is it the right file?")
    else:
        yield from look(data)


def _taken(one: Taken, compiler: Compiler, data: bytes) -> Iterator[Finding]:
    kind = one.endpoint.configuration_type
    if not data.strip():
        yield Finding(one.path, 1, "warning", "empty", "the file is empty", "write it, or leave configurationType out")
    elif kind == "python":
        for line, message in compiler.mistakes(data):
            remedy = f"mend it: {one.endpoint.name} is configured by this script"
            yield Finding(one.path, line, "error", "python", message, remedy)
    elif kind == "ansible":
        for line, message in playbook_mistakes(data):
            yield Finding(one.path, line, "error", "playbook", message, "a playbook is a YAML list of plays")
    elif kind == "napalm" and one.path.suffix == ".txt":
        if one.driver in XML_DRIVERS and data.lstrip().startswith(b"<"):
            for line, message in xml_mistakes(data):
                yield Finding(one.path, line, "error", "xml", message, "mend it: the device takes the file as XML")
        for line, message in templates(data):
            remedy = "write the value: no template is filled in before the device gets the file"
            yield Finding(one.path, line, "warning", "template", message, remedy)


def _not_taken(path: Path, compiler: Compiler, data: bytes) -> Iterator[Finding]:
    for line, message in compiler.mistakes(data):
        remedy = "no endpoint takes this file: mend it if a script needs it, or remove it"
        yield Finding(path, line, "warning", "python", message, remedy)


def _guide(path: Path, data: bytes) -> Iterator[Finding]:
    if path.suffix == ".ipynb":
        for line, message in notebook_mistakes(data):
            yield Finding(path, line, "error", "guide", message, "save it from Jupyter again")
    elif not data.strip():
        yield Finding(path, 1, "warning", "guide", "the guide is empty", "write it: learners see a blank page")


def playbook_mistakes(data: bytes) -> list[Said]:
    """Why these bytes are no playbook. Tags and aliases are Ansible's to judge: nothing is built of the YAML."""
    depth = count = 0
    try:
        for event in yaml.parse(data, Loader=FAST):
            line = event.start_mark.line + 1 if event.start_mark else 1
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                return [(line, f"nested more than {DEEPEST} levels deep")]
            count += isinstance(event, yaml.NodeEvent)
            if count == 1 and isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.SequenceStartEvent):
                return [(line, "not a playbook: it is not a list")]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
        return [(mark.line + 1 if mark else 1, f"not YAML: {plain(str(problem))}")]
    except (ValueError, RecursionError) as error:
        return [(1, f"not YAML that can be read: {plain(str(error))}")]
    return [] if count else [(1, "not a playbook: it has no play")]


class _ForbiddenError(Exception):
    """The XML declares something of its own."""


def xml_mistakes(data: bytes) -> list[Said]:
    """Why these bytes are no XML. A DTD, and with it every entity of its own, is refused before it is read."""
    parser = expat.ParserCreate()
    depth = 0

    def doctype(*_: object) -> None:
        raise _ForbiddenError

    def start(*_: object) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise RecursionError

    def end(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.StartDoctypeDeclHandler = doctype
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        # What NAPALM looks at begins with the first sign, and a declaration may not have anything before it.
        parser.Parse(data.strip(), True)
    except expat.ExpatError as error:
        before = data[: len(data) - len(data.lstrip())].count(b"\n")
        return [(error.lineno + before, f"not well-formed XML: {expat.ErrorString(error.code)}")]
    except _ForbiddenError:
        return [(parser.CurrentLineNumber, "it has a document type, which a configuration does not need")]
    except RecursionError:
        return [(parser.CurrentLineNumber, f"nested more than {DEEPEST} levels deep")]
    except (ValueError, LookupError) as error:
        return [(1, f"not XML that can be read: {plain(str(error))}")]
    return []


def templates(data: bytes) -> list[Said]:
    """Marks of a template that nobody fills in; the first ones of a file that is full of them."""
    lines = data.decode("utf-8", "replace").splitlines()
    marks = ((number, _mark(line)) for number, line in enumerate(lines, 1))
    found = ((number, f"{plain(mark)} is left of a template") for number, mark in marks if mark)
    return list(islice(found, MOST_MARKS))


def _mark(line: str) -> str:
    """The beginning of the first one in a line. Not all by an expression: one for {% %} looks at a line of many such
    beginnings from each of them to its end.
    """
    value = VALUE.search(line)
    at = value.start() if value else len(line)
    statement = line.find("{%", 0, max(line.rfind("%}"), 0))
    return line[statement:][:60] if 0 <= statement < at else value[0][:60] if value else ""


def notebook_mistakes(data: bytes) -> list[Said]:
    """Why these bytes are no Jupyter notebook."""
    try:
        notebook = json.loads(data)
    except json.JSONDecodeError as error:
        return [(error.lineno, f"not a notebook: not JSON: {error.msg}")]
    except (ValueError, RecursionError) as error:
        return [(1, f"not a notebook: not JSON that can be read: {plain(str(error))[:80]}")]
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        return [(1, "not a notebook: it has no list of cells")]
    return []


def _files(folder: Path) -> Iterator[Finding]:
    """What no machine could be given: links that lead astray, what cannot be read, more than there is room for."""
    within = folder.resolve()
    total = 0
    for count, entry in enumerate(walk(folder), 1):
        if entry.why:
            yield _unread(entry.path, entry.why)
        if entry.is_link:
            yield from _link(entry.path, within)
        total += entry.size
        if count > MOST_FILES:
            remedy = "keep what learners do not need elsewhere: the folder is copied for each job"
            what = f"the lesson has more than {MOST_FILES} files"
            yield Finding(folder / FILE, 1, "warning", "size", what, remedy)
            break
    if total > limits.LARGEST:
        remedy = "they are copied to every machine of the lesson: put large ones into its images"
        what = f"the lesson's files are larger than {limits.LARGEST >> 20} MiB"
        yield Finding(folder / FILE, 1, "error", "size", what, remedy)


def _unread(path: Path, why: str) -> Finding:
    return Finding(path, 1, "error", "file", f"it cannot be read: {why}", "mend its owner and mode")


def _link(path: Path, within: Path) -> Iterator[Finding]:
    try:
        target, exists = path.resolve(), path.exists()
    except (RuntimeError, OSError):
        # A circle of links, before Python 3.13.
        target, exists = within, False
    if not target.is_relative_to(within):
        message = f"this link leads out of the lesson, to {plain(str(path.readlink()))}"
        yield Finding(path, 1, "error", "link", message, "put the file itself here: the lesson is copied alone")
    elif not exists:
        message = f"this link leads nowhere: there is no {plain(str(path.readlink()))}"
        yield Finding(path, 1, "warning", "link", message, "mend or remove it")
