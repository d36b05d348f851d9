"""Pages written after every change of a night: cheap, and each of them whole or not at all."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from labwright.errors import os_error
from labwright.host.files import write_whole
from labwright.host.quantities import duration
from labwright.nightly.model import Night
from labwright.nightly.page.history import INDEX, NightSummary, facts_of, index_json, read_history
from labwright.nightly.page.images import cards
from labwright.nightly.page.nights import rows, trends
from labwright.nightly.page.summary import first_thing, sentence
from labwright.nightly.page.words import clean, count, machine_time, people_time
from labwright.nightly.places import PAGE, Places

STYLE = "page.css"


def write(places: Places, night: Night) -> None:
    """Write nights/<n>/index.html, the index of all nights and index.json.

    What is damaged or missing of this night or of earlier ones is said on the pages. Raises LabwrightError (disk full,
    host) where they cannot be written.
    """
    facts = facts_of(places, night)
    history = read_history(places, night, facts)
    earlier = next((one for one in history if one.number < night.number), None)
    page = _render(
        "night.html.j2",
        night=night,
        cards=cards(places, night, facts, history),
        sentence=sentence(night),
        first=first_thing(night),
        earlier=earlier,
    )
    index = _render("index.html.j2", rows=rows(history), trends=trends(history), newest=_newest(history))
    try:
        places.night(night).mkdir(parents=True, exist_ok=True)
        write_whole(places.night(night) / PAGE, page)
        write_whole(places.root / INDEX, index_json(history))
        write_whole(places.root / PAGE, index)
    except OSError as error:
        raise os_error(error, f"the pages of night {night.number} cannot be written") from error


def _newest(history: tuple[NightSummary, ...]) -> NightSummary | None:
    return next((night for night in history if not night.problem), None)


def _render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    """Everything that a template prints is cleaned and escaped, whatever it is."""
    environment = Environment(
        loader=PackageLoader("labwright.nightly.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    # The policy names the hash of the style sheet: nothing else is taken as a style.
    style = environment.get_template(STYLE).render()
    digest = hashlib.sha256(style.encode()).digest()
    environment.globals["style_digest"] = base64.b64encode(digest).decode()
    environment.filters |= {
        "duration": duration, "people_time": people_time, "machine_time": machine_time, "counted": count,
    }  # fmt: skip
    return environment


def _finalize(value: object) -> object:
    """What is markup already comes from a macro, which cleaned it."""
    return clean(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
