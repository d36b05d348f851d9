"""A night as metrics, in a file for the textfile collector of Prometheus's node exporter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from labwright.errors import os_error
from labwright.host.files import write_whole
from labwright.host.quantities import finite
from labwright.nightly.model import ImageState, Night
from labwright.nightly.page.facts import Facts
from labwright.nightly.page.history import facts_of
from labwright.nightly.page.words import line
from labwright.nightly.places import Places

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Metric:
    """One metric, a gauge as all of them, and its samples: labels and value."""

    name: str
    about: str
    samples: tuple[tuple[Labels, float], ...]


def write_metrics(places: Places, night: Night, file: Path) -> None:
    """Write what is known of a night to `file`, whole or not at all; the collector wants a name that ends in .prom.

    Raises LabwrightError (disk full, host).
    """
    try:
        write_whole(file, metrics_text(night, facts_of(places, night, packages=False)))
    except OSError as error:
        raise os_error(error, f"the metrics cannot be written to {file}") from error


def metrics_text(night: Night, facts: dict[str, Facts | str]) -> str:
    """In Prometheus's text format 0.0.4: HELP, TYPE and samples of each metric that has one."""
    said = []
    for metric in (*_night(night), *_images(night), *_reports(night, facts)):
        if metric.samples:
            said += [f"# HELP {metric.name} {metric.about}", f"# TYPE {metric.name} gauge"]
            # A sample that is there twice makes the collector refuse the whole file.
            samples = {_labels(labels): value for labels, value in metric.samples}
            said += [f"{metric.name}{labels} {_value(value)}" for labels, value in samples.items()]
    return "\n".join(said) + "\n"


def _night(night: Night) -> Iterable[Metric]:
    about = (("revision", night.revision), ("version", night.labwright), ("host", night.host))
    yield Metric("labwright_night_info", "What made the images, and from which revision of them.", ((about, 1),))
    yield _single("labwright_night_number", "The number of the last night; nights are counted from 1.", night.number)
    yield _single("labwright_night_start_timestamp_seconds", "When it began, since 1970.", night.started)
    yield _single("labwright_night_duration_seconds", "How long it ran.", night.seconds)
    yield _single(
        "labwright_night_finished", "1 when it came to its end, 0 while it runs or when it died.", night.finished
    )
    yield _single("labwright_night_resumes", "How often it went on after it was killed.", night.resumed)
    yield Metric(
        "labwright_night_images",
        "Images by what came of them.",
        tuple(
            ((("state", state),), sum(image.state == state for image in night.images)) for state in get_args(ImageState)
        ),
    )


def _images(night: Night) -> Iterable[Metric]:
    images = [((("image", image.slug),), image) for image in night.images]
    yield Metric(
        "labwright_image_state",
        "1 for what came of an image, 0 for what did not.",
        tuple(
            ((*labels, ("state", state)), image.state == state)
            for labels, image in images
            for state in get_args(ImageState)
        ),
    )
    yield Metric(
        "labwright_image_duration_seconds",
        "How long all attempts at an image took.",
        tuple((labels, image.seconds) for labels, image in images),
    )
    yield Metric(
        "labwright_image_attempts",
        "How often an image was tried.",
        tuple((labels, image.attempts) for labels, image in images),
    )
    yield Metric(
        "labwright_image_step_duration_seconds",
        "How long a step of an image took in its last attempt.",
        tuple(((*labels, ("step", step.name)), step.seconds) for labels, image in images for step in image.steps),
    )
    served = [(labels, image.delivered) for labels, image in images if image.delivered]
    yield Metric(
        "labwright_image_size_bytes",
        "Size of the image in service.",
        tuple((labels, delivered.bytes) for labels, delivered in served),
    )
    yield Metric(
        "labwright_image_made_in_night",
        "The number of the night that made the image in service.",
        tuple((labels, delivered.since) for labels, delivered in served),
    )
    yield Metric(
        "labwright_image_uploaded_bytes",
        "Bytes that went to registries.",
        tuple((labels, sum(finite(one.uploaded) for one in image.published)) for labels, image in images),
    )
    yield Metric(
        "labwright_image_publish_failures",
        "Registries that did not get it.",
        tuple((labels, len(image.publish_failures)) for labels, image in images),
    )


def _reports(night: Night, facts: dict[str, Facts | str]) -> Iterable[Metric]:
    known = [(image.slug, facts.get(image.slug)) for image in night.images]
    yield Metric(
        "labwright_image_boot_seconds",
        "From power-on of the image in service to SSH, or to the login prompt on the console.",
        tuple(
            ((("image", slug), ("firmware", boot.firmware), ("until", until)), seconds)
            for slug, one in known
            if isinstance(one, Facts)
            for boot in one.boots
            for until, seconds in (("ssh", boot.ssh), ("login", boot.login))
            if seconds
        ),
    )
    yield Metric(
        "labwright_image_report_readable",
        "1 when the report of the image in service can be read.",
        tuple(((("image", slug),), isinstance(one, Facts)) for slug, one in known if one is not None),
    )


def _single(name: str, about: str, value: float) -> Metric:
    return Metric(name, about, (((), value),))


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}" if labels else ""


def _escape(value: str) -> str:
    return line(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _value(value: float) -> str:
    number = finite(int(value) if isinstance(value, bool) else value)
    return f"{number:.0f}" if number == int(number) else f"{number:.3f}"
