"""Fragments are read strictly, and the review notices what is lost, what lacks and what is too much."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.errors import Cause, LabwrightError
from labwright.kernel.build import refuse_changes
from labwright.kernel.config import parse_config
from labwright.kernel.fragments import as_config, for_kernel, load_fragments, parse_fragment, refuse_conflicts
from labwright.kernel.review import Catalogue, compare, load_catalogue, review, visible_symbols

CATALOGUE = Catalogue({"VLAN": ("VLAN_8021Q",)}, {"VIRTIO_*": "virtio"})


def test_options_carry_their_place():
    options = parse_fragment('# why\nCONFIG_A=y\n\nCONFIG_B="text"\n', "base.config")
    assert [(option.name, option.value, option.place) for option in options] == [
        ("CONFIG_A", "y", "base.config:2"),
        ("CONFIG_B", '"text"', "base.config:4"),
    ]


@pytest.mark.parametrize("line", ["CONFIG_A", "CONFIG_A=yes", "A=y", "CONFIG_A=y # since six", "CONFIG_A = y", "=y"])
def test_what_is_no_option_is_named_with_its_line(line):
    with pytest.raises(LabwrightError, match=r"base\.config:2"):
        parse_fragment(f"CONFIG_Z=y\n{line}\n", "base.config")


@given(st.text())
def test_no_fragment_brings_a_traceback(text):
    try:
        options = parse_fragment(text, "f")
    except LabwrightError:
        return
    assert parse_config(as_config(options)).keys() == {option.name for option in options}


def test_an_option_that_stands_twice_is_refused_with_both_places():
    options = [*parse_fragment("CONFIG_A=y", "one"), *parse_fragment("CONFIG_A=m", "two")]
    with pytest.raises(LabwrightError, match=r"two:1.*one:1"):
        refuse_conflicts(options)


@pytest.mark.parametrize(
    ("one", "two"),
    [("", " # since 6.0"), (" # until 6.12", ""), (" # until 6.12", " # since 6.1"), (" # until 6.1", " # since 6.1")],
)
def test_two_lines_that_one_kernel_would_have_both_of_are_refused(one, two):
    options = [*parse_fragment(f"CONFIG_A=y{one}", "one"), *parse_fragment(f"CONFIG_A=m{two}", "two")]
    with pytest.raises(LabwrightError, match=r"two:1.*one:1"):
        refuse_conflicts(options)


def test_an_option_may_differ_between_kernels():
    refuse_conflicts(parse_fragment("CONFIG_A=y # until 6.6\nCONFIG_A=m # since 6.7", "f"))


def test_an_option_may_belong_to_some_kernels_only():
    options = parse_fragment("CONFIG_OLD=y # until 6.6\nCONFIG_NEW=y # since 6.7\n", "f")
    assert [option.name for option in for_kernel(options, (6, 1), frozenset({"CONFIG_OLD"}))] == ["CONFIG_OLD"]
    assert [option.name for option in for_kernel(options, (6, 12), frozenset({"CONFIG_NEW"}))] == ["CONFIG_NEW"]


def test_the_source_decides_where_a_distribution_has_brought_a_change_into_an_older_version():
    options = parse_fragment("CONFIG_A=y # since 6.8\nCONFIG_B=y # until 6.1\nCONFIG_C=y\n", "f")
    assert [option.name for option in for_kernel(options, (5, 14), frozenset({"CONFIG_A"}))] == ["CONFIG_A", "CONFIG_C"]


def test_the_version_decides_between_two_lines_of_one_name():
    options = parse_fragment("CONFIG_A=y # until 6.6\nCONFIG_A=m # since 6.7", "f")
    for version, value in (((6, 1), "y"), ((6, 12), "m")):
        assert [option.value for option in for_kernel(options, version, frozenset({"CONFIG_A"}))] == [value]


def test_a_review_that_holds():
    options = parse_fragment("CONFIG_VLAN_8021Q=m\nCONFIG_DEBUG=n", "f")
    result = review({"CONFIG_VLAN_8021Q": "m", "CONFIG_VIRTIO_NET": "y"}, options, CATALOGUE, frozenset({"VIRTIO_NET"}))
    assert result.ok
    assert result.drivers_checked


def test_an_option_that_did_not_survive_is_named_with_its_line():
    options = parse_fragment("CONFIG_VLAN_8021Q=m\nCONFIG_TMPFS=y", "base.config")
    result = review({"CONFIG_VLAN_8021Q": "m", "CONFIG_TMPFS": "n"}, options, CATALOGUE, None)
    assert not result.ok
    assert "base.config:2: CONFIG_TMPFS=y did not survive" in result.findings[0]


def test_a_capability_is_required_whatever_the_fragments_say():
    result = review({}, [], CATALOGUE, None)
    assert result.findings == ("VLAN: CONFIG_VLAN_8021Q is off",)


def test_a_driver_that_nobody_allowed_is_a_finding():
    result = review({"CONFIG_VLAN_8021Q": "m", "CONFIG_E1000": "m"}, [], CATALOGUE, frozenset({"E1000"}))
    assert result.strangers == ("CONFIG_E1000",)


def test_only_symbols_with_a_prompt_are_choices():
    text = (
        'config E1000\n\ttristate "Intel"\n\thelp\n\t  bool "no"\n\nconfig HELPER\n\tbool\n\nmenuconfig NET\n\tbool\n'
        '\tprompt "Net"\n\ncomment "x"\n'
    )
    assert visible_symbols(text) == {"E1000", "NET"}


def test_a_symbol_is_found_indented_and_with_a_comment():
    assert visible_symbols('\tconfig A\n\t\tbool "a"\n\nconfig B # note\n\tbool "b"\n') == {"A", "B"}


def test_every_required_capability_is_asked_for_by_our_fragments():
    asked = {option.name for option in load_fragments(("debian",)) if option.value in {"y", "m"}}
    for name, symbols in load_catalogue().capabilities.items():
        missing = {f"CONFIG_{symbol}" for symbol in symbols} - asked
        assert not missing, name


def test_two_configurations_compared():
    difference = compare({"CONFIG_A": "y", "CONFIG_B": "m", "CONFIG_D": "n"}, {"CONFIG_B": "y", "CONFIG_C": "y"})
    assert difference.only_ours == {"CONFIG_A": "y"}
    assert difference.only_theirs == {"CONFIG_C": "y"}
    assert difference.changed == {"CONFIG_B": ("m", "y")}


def test_a_configuration_that_changes_while_it_is_compiled_is_noticed():
    refuse_changes({"CONFIG_A": "y", "CONFIG_B": "n"}, {"CONFIG_A": "y", "CONFIG_B": "n"})
    with pytest.raises(LabwrightError) as caught:
        refuse_changes({"CONFIG_A": "y"}, {"CONFIG_A": "y", "CONFIG_CC_HAS_INT128": "y"})
    assert caught.value.cause is Cause.REVIEW
    assert caught.value.details == ("CONFIG_CC_HAS_INT128: n, then y",)
