"""A metalink as mirrors.centos.org answers: which mirrors have the list of packages, and what it must be."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape, quoteattr

from .keys import EPOCH

HASHES = ("md5", "sha1", "sha256", "sha512")


def metalink(repomd: Path, urls: Sequence[str]) -> str:
    """urls: the addresses of repodata/repomd.xml on each mirror, the best first."""
    data = repomd.read_bytes()
    hashes = "".join(f'<hash type="{name}">{hashlib.new(name, data).hexdigest()}</hash>' for name in HASHES)
    resources = "".join(
        f'<url protocol={quoteattr(urlsplit(url).scheme)} type={quoteattr(urlsplit(url).scheme)} location="XX" '
        f'preference="{100 - at}">{escape(url)}</url>'
        for at, url in enumerate(urls)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager" generator="stand-in">'
        f'<files><file name="repomd.xml"><mm0:timestamp>{EPOCH}</mm0:timestamp><size>{len(data)}</size>'
        f'<verification>{hashes}</verification><resources maxconnections="1">{resources}</resources>'
        "</file></files></metalink>\n"
    )
