"""A transfer that nobody wants any more ends soon, however silent the registry is. The registry is a FAKE."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from support.registry import access
from support.registry_odd import FakeRegistry, Silence, serving

from labwright.errors import Cause, LabwrightError
from labwright.registry.blob import Blob
from labwright.registry.client import Registry
from labwright.registry.manifest import Descriptor
from labwright.registry.reference import parse_reference
from labwright.registry.transport import Patience

STOPPED = LabwrightError("that is enough", cause=Cause.INTERRUPTED, hint="run it again")
WANTED = Descriptor("text/plain", Blob.of(b"x" * 1000).digest, 1000)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    with serving(FakeRegistry()) as server:
        yield server


@pytest.mark.parametrize("how", ["no answer", "half", "busy", "late"])
def test_a_transfer_ends_soon_where_it_is_told_to(fake, how):
    silence = fake.odd = Silence(how)

    def stop() -> LabwrightError | None:
        return STOPPED if silence.reached.is_set() else None

    pauses = (0.1,) if how == "busy" else ()
    patience = Patience(
        pauses=pauses, read=Silence.LONG, answer=Silence.LONG, standstill=Silence.LONG, longest_pause=2 * Silence.LONG
    )
    reference = parse_reference(f"{fake.host}/x:one")
    begun = time.monotonic()
    try:
        with (
            Registry(reference.host, access(patience=patience).until(stop)) as registry,
            pytest.raises(LabwrightError) as caught,
        ):
            if how == "half":
                registry.small_blob(reference.repository, WANTED)
            else:
                registry.push_blob(reference.repository, Blob.of(bytes(9 << 20)))
    finally:
        silence.over.set()
    assert caught.value is STOPPED
    assert time.monotonic() - begun < Silence.LONG / 2
