"""A night in a sentence, and what a person does first in the morning."""

from __future__ import annotations

from dataclasses import dataclass

from labwright.host.quantities import duration
from labwright.nightly.model import ImageState, Night
from labwright.nightly.page.images import anchor_of
from labwright.nightly.page.words import count, line, listed

SENTENCE: tuple[ImageState, ...] = ("built", "unchanged", "failed", "skipped")


@dataclass(frozen=True)
class First:
    """What to do first. where: the identifier of the part of the page that has more."""

    what: str
    why: str
    hint: str
    where: str


def sentence(night: Night) -> str:
    """3 built, 12 unchanged, 1 failed, 0 skipped in 1 h 12 min."""
    counts = {state: sum(image.state == state for image in night.images) for state in SENTENCE}
    said = listed([f"{number} {state}" for state, number in counts.items()])
    if night.finished:
        return f"{said}, in {duration(night.seconds)}."
    done = sum(counts.values())
    return f"{done} of {count(len(night.images), 'image')} so far: {said}, after {duration(night.seconds)}."


def first_thing(night: Night) -> First | None:
    """The failure that keeps most other images back; else one of a registry; None on a good night."""
    failed = [image for image in night.images if image.state == "failed"]
    if failed:
        held = {image.slug: _held_back(night, image.slug) for image in failed}
        worst = max(failed, key=lambda image: len(held[image.slug]))
        failure = worst.failure
        waiting = held[worst.slug]
        because = f"{count(len(waiting), 'image')} could not be built without it: {listed(waiting)}." if waiting else ""
        return First(
            f"Mend {line(worst.slug, 80)}",
            " ".join(
                [_sentence(failure.what) if failure else "Its record does not say why it failed.", because]
            ).strip(),
            line(failure.hint) if failure else "",
            anchor_of(worst.slug),
        )
    for image in night.images:
        for failure in image.publish_failures:
            return First(
                f"See why {line(image.slug, 80)} was not published", _sentence(failure.what), line(failure.hint),
                anchor_of(image.slug),
            )  # fmt: skip
    return None


def _held_back(night: Night, slug: str) -> list[str]:
    """The skipped images that start from one, directly or by others."""
    held: list[str] = []
    found = {slug}
    while found:
        above = found
        found = {
            image.slug for image in night.images
            if image.state == "skipped" and above & set(image.needs) and image.slug not in held
        }  # fmt: skip
        held += [image.slug for image in night.images if image.slug in found]
    return list(dict.fromkeys(line(one, 80) for one in held))


def _sentence(text: str) -> str:
    said = line(text)
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."
