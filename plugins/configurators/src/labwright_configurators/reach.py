"""Whether an endpoint answers at all: what a failed job is asked about before its own words are believed."""

from __future__ import annotations

import socket

from labwright.interfaces import Endpoint

SECONDS = 5.0


def silence(endpoint: Endpoint) -> str:
    """Why nothing answers on an endpoint's port; empty where something does."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), SECONDS):
            return ""
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        return f"{endpoint.host} port {endpoint.port} does not answer ({reason})"
