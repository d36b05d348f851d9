"""The text of a candidate: read, rendered where it is a template, and looked at before anybody connects."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.parsers import expat

LARGEST = 16 * 1024 * 1024
"""Bytes: a candidate is typed by people."""
TEMPLATE = ".j2"
BY_NETCONF = ("junos", "iosxr_netconf")


class CandidateError(Exception):
    """What is wrong with a candidate's text. line: from 1; 0 where no line is to blame."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def candidate_text(folder: Path, file: Path, driver: str, values: Mapping[str, object]) -> str:
    """The candidate as the device is to get it. values: what a template may use. Raises CandidateError."""
    text = _read(folder / file)
    if file.suffix == TEMPLATE:
        text = _rendered(text, folder, values)
    if driver in BY_NETCONF and text.lstrip().startswith("<"):
        check_xml(text)
    return text


def check_xml(text: str) -> None:
    """Raise CandidateError with the line where a text is not well-formed, or declares entities."""
    parser = expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise CandidateError("a document type is declared, which no configuration needs", parser.CurrentLineNumber)

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise CandidateError(f"this is no well-formed XML: {expat.ErrorString(error.code)}", error.lineno) from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise CandidateError(f"it cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise CandidateError(f"it is larger than {LARGEST >> 20} MiB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CandidateError(f"this is no text in UTF-8: {error.reason}", line) from error
    if "\0" in text:
        raise CandidateError("this is no text: it holds a zero byte", text.count("\n", 0, text.index("\0")) + 1)
    return text


def _rendered(text: str, folder: Path, values: Mapping[str, object]) -> str:
    try:
        # Here, not above: few candidates are templates.
        render: Callable[..., str] = importlib.import_module("labwright.kit").napalm_template
    except (ImportError, AttributeError) as error:
        raise CandidateError("templates need labwright.kit, which this labwright lacks") from error
    try:
        return render(text, folder, values)
    except Exception as error:
        line = getattr(error, "lineno", 0)
        reason = f"the template cannot be rendered: {error}"
        raise CandidateError(reason, line if isinstance(line, int) else 0) from error
