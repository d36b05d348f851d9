"""What docs/nightly.md promises of names."""

from __future__ import annotations

import re

from support.builds import REPOSITORY

from labwright.nightly.model import Night
from labwright.nightly.publication import Destination, tag_of
from labwright.publish.attest import statements_tag
from labwright.publish.kinds import KINDS
from labwright.trust.signatures import signature_tag


def test_the_rule_that_the_docs_give_to_a_registry_takes_the_tags_of_nights_and_nothing_that_vouches_for_an_image():
    page = (REPOSITORY / "docs/nightly.md").read_text()
    (rule,) = re.findall(r"tags that are `(.+?)` by their age", page)
    tags = [tag_of(Night(number, 1.8e9, ())) for number in (7, 12345)]
    destination = Destination("registry.example/school", tuple(KINDS))
    dated = [destination.place("leaf", kind, tag).tag for kind in KINDS for tag in tags]
    assert len(set(dated)) == len(KINDS) * len(tags)
    assert all(re.fullmatch(rule, tag) for tag in dated), dated
    digest = f"sha256:{'2026' * 16}"
    kept = [destination.place("leaf", kind, "latest").tag for kind in KINDS]
    kept += [signature_tag(digest), statements_tag(digest), digest.replace(":", "-")]
    assert not [tag for tag in kept if re.fullmatch(rule, tag)]
