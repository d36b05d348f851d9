"""HTTP to a server that may mean harm."""

from __future__ import annotations

import requests


class UnledSession(requests.Session):
    """A session that never looks where an answer leads.

    Told not to follow it, requests would prepare the next request all the same, and read the answer to its end for
    that: however long it is, whatever it unpacks to, however slowly it comes.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""
