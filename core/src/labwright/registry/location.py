"""Where a registry says that something is: a Location header, the realm of its token server."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from labwright.errors import Cause, LabwrightError
from labwright.host.text import line


def resolve(base: str, place: str, doing: str) -> str:
    """A place as a whole URL, which every parser of URLs takes. base: the URL that it was said at.

    Raises LabwrightError (config) for what is none.
    """
    try:
        url = urljoin(base, place)
        parts = urlsplit(url)
        # Ports are looked at only when they are asked for, later and elsewhere.
        if not parts.hostname or parts.port == 0:
            raise ValueError("no host")
    except ValueError as error:
        raise LabwrightError(
            f"{doing}: it leads to {line(place)[:100]!r}, which is no URL",
            cause=Cause.CONFIG,
            hint="the registry, or a proxy before it, is not set up well: its log may tell more",
        ) from error
    return url
