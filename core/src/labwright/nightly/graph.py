"""Which image needs which: circles, what hangs on a failure, and whose turn comes first."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

Needs = Mapping[str, Collection[str]]
"""The images that each one starts from. Names that are no key are of nobody."""


def circles(needs: Needs) -> dict[str, tuple[str, ...]]:
    """The images that start from themselves, each with the way round, itself first and last."""
    return {slug: way for slug in needs if (way := _way_back(needs, slug))}


def _way_back(needs: Needs, slug: str) -> tuple[str, ...]:
    """The shortest way from an image back to itself; empty where there is none."""
    ways: list[tuple[str, ...]] = [(slug,)]
    seen: set[str] = set()
    for way in ways:
        for base in needs.get(way[-1], ()):
            if base == slug:
                return (*way, slug)
            if base not in seen:
                seen.add(base)
                ways.append((*way, base))
    return ()


def with_bases(needs: Needs, slugs: Iterable[str]) -> frozenset[str]:
    """These images, and all that they start from."""
    return _closure(needs, slugs)


def with_dependents(needs: Needs, slugs: Iterable[str]) -> frozenset[str]:
    """These images, and all that start from them."""
    return _closure(_upside_down(needs), slugs)


def priorities(needs: Needs, seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds that are left at the least once an image is begun: its own, and those of the longest way on from it.

    The one with the most goes first: that keeps the end of the night early (critical path). No circles may be left.
    """
    above = _upside_down(needs)
    found: dict[str, float] = {}

    def left(slug: str) -> float:
        if slug not in found:
            longest = max((left(one) for one in above.get(slug, ())), default=0.0)
            found[slug] = seconds.get(slug, 0.0) + longest
        return found[slug]

    return {slug: left(slug) for slug in needs}


def _closure(edges: Mapping[str, Collection[str]], start: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    left = list(start)
    while left:
        slug = left.pop()
        if slug not in found:
            found.add(slug)
            left.extend(edges.get(slug, ()))
    return frozenset(found)


def _upside_down(needs: Needs) -> dict[str, list[str]]:
    above: dict[str, list[str]] = {}
    for slug, bases in needs.items():
        for base in bases:
            above.setdefault(base, []).append(slug)
    return above
