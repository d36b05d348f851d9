"""Which image needs which: an order that a night can be built in, and circles that nobody can."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from labwright.nightly.graph import circles, priorities, with_bases, with_dependents

SLUGS = [f"i{number}" for number in range(7)]


@st.composite
def any_needs(draw) -> dict[str, tuple[str, ...]]:
    """Circles, images that start from themselves and bases that nobody has are among them."""
    names = st.lists(st.sampled_from([*SLUGS, "nobody"]), max_size=2, unique=True)
    return {slug: tuple(draw(names)) for slug in SLUGS}


@st.composite
def forests(draw) -> dict[str, tuple[str, ...]]:
    return {
        slug: (draw(st.sampled_from(SLUGS[:index])),) if index and draw(st.booleans()) else ()
        for index, slug in enumerate(SLUGS)
    }


@given(any_needs())
def test_an_image_is_in_a_circle_when_it_is_among_what_it_starts_from_and_the_way_is_one(needs):
    found = circles(needs)
    for slug in needs:
        reached = with_bases(needs, needs[slug])
        assert (slug in found) == (slug in reached)
    for slug, way in found.items():
        assert way[0] == way[-1] == slug
        assert all(after in needs[before] for before, after in itertools.pairwise(way))
        assert len(set(way)) == len(way) - 1, "no detour"


@given(any_needs(), st.sampled_from(SLUGS))
def test_whatever_has_an_image_among_its_bases_is_among_its_dependents(needs, slug):
    dependents = with_dependents(needs, [slug])
    assert dependents == {slug} | {one for one in needs if slug in with_bases(needs, [one])}


@given(forests(), st.lists(st.floats(0, 1e4), min_size=len(SLUGS), max_size=len(SLUGS)))
def test_a_base_is_never_less_urgent_than_what_waits_for_it(needs, seconds):
    costs = dict(zip(SLUGS, seconds, strict=True))
    urgency = priorities(needs, costs)
    for slug, bases in needs.items():
        assert urgency[slug] >= costs[slug]
        assert all(urgency[base] >= urgency[slug] + costs[base] for base in bases)


def test_the_longest_way_is_what_counts_not_the_own_time():
    needs = {"short": (), "long": (), "after": ("short",)}
    urgency = priorities(needs, {"short": 1, "long": 50, "after": 100})
    assert urgency == {"short": 101, "long": 50, "after": 100}
