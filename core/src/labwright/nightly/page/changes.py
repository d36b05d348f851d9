"""What differs between two versions of an image: packages and kernel. Nothing is said that the reports do not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labwright.nightly.page.facts import Facts, Kernel
from labwright.nightly.page.versions import compare
from labwright.nightly.page.words import count, listed

Word = Literal["upgraded", "downgraded", "changed", "added", "removed"]
WORDS: tuple[Word, ...] = ("upgraded", "downgraded", "changed", "added", "removed")
"""In the order in which they are shown. changed: another version, and nobody knows which is the later one."""


@dataclass(frozen=True)
class Change:
    """One package. security: whether the mirror of security updates gave what is there now."""

    name: str
    word: Word
    before: str = ""
    after: str = ""
    security: bool = False


def package_changes(before: Facts, after: Facts) -> tuple[Change, ...]:
    """The packages that differ, by what happened to them, then by name."""
    found = []
    for name in sorted(before.packages.keys() | after.packages.keys()):
        old, new = before.packages.get(name), after.packages.get(name)
        if old is None:
            found.append(Change(name, "added", after=new or "", security=name in after.security))
        elif new is None:
            found.append(Change(name, "removed", before=old))
        elif old != new:
            found.append(Change(name, _word(after, old, new), old, new, name in after.security))
    return tuple(sorted(found, key=lambda change: WORDS.index(change.word)))


def _word(facts: Facts, old: str, new: str) -> Word:
    # Two versions of one name are no version.
    order = compare(facts.order, old, new) if ", " not in old + new else None
    if not order:
        return "changed"
    return "upgraded" if order < 0 else "downgraded"


def package_words(changes: tuple[Change, ...]) -> str:
    """In one line: 12 upgraded (5 from the security mirror), 1 added."""
    said = []
    for word in WORDS:
        some = [change for change in changes if change.word == word]
        secure = sum(change.security for change in some)
        if some:
            said.append(f"{len(some)} {word}" + (f" ({secure} from the security mirror)" if secure else ""))
    return listed(said) or "the same packages"


def kernel_words(before: Kernel | None, after: Kernel | None) -> str:
    """What became of the kernel, in a sentence without a full stop; empty where neither report names one."""
    if after is None:
        return "the version before had one of ours" if before else ""
    if before is None:
        return "the version before had none of ours"
    said = []
    if before.release != after.release:
        said.append(f"was {before.release}")
    if (before.source, before.version) != (after.source, after.version):
        said.append(f"was made from {before.source} {before.version}")
    if before.configuration != after.configuration:
        said.append("has another configuration")
    if before.compiler != after.compiler:
        said.append("was compiled by another compiler")
    return f"changed: {listed(said)}" if said else "the same as before"


def packages_known(facts: Facts) -> str:
    """How many packages an image has, where its report says so."""
    return count(len(facts.packages), "package") if facts.packages else "its packages are not known"
