"""Exceptions, and what a verdict says."""

from collections.abc import Iterator

import pytest

from nix_cache.iam.values import UNKNOWN, NotYetKnownError, is_true, read, read_list
from nix_cache.policy.judgement import EXCEPTIONS
from nix_cache.policy.model import Context, Resource, Rule
from nix_cache.policy.rules import all_rules
from tests.policies.stacks import resource, verdict


def _finds(subject: Resource, _context: Context) -> Iterator[str]:
    yield "is the first"
    if subject.read("more"):
        yield "is the second"


RULE = Rule("finds", "Nothing is found.", "of this", "do that", _finds)


def test_a_violation_says_what_why_and_how_to_fix_it() -> None:
    """In one message, with the resource's name."""
    result = verdict(RULE, resource("t", {"more": True}, name="thing"))

    assert result.violations == [
        "thing is the first\n  why: of this\n  fix: do that",
        "thing is the second\n  why: of this\n  fix: do that",
    ]
    assert not result.not_yet_known
    assert not result.exception


def test_what_was_found_before_an_unknown_value_is_reported_too() -> None:
    """The one does not hide the other."""
    result = verdict(RULE, resource("t", {"more": UNKNOWN}))

    assert len(result.violations) == 1
    assert result.not_yet_known == "more is not known yet"


@pytest.mark.parametrize("name", ["thing", "urn:thing"])
def test_an_exception_spares_one_resource(name: str) -> None:
    """By its name or by its URN, and no other."""
    agreed = {name: "it is a test of exceptions"}
    spared = verdict(RULE, resource("t", name="thing", urn="urn:thing"), exceptions=agreed)
    other = verdict(RULE, resource("t", name="other", urn="urn:other"), exceptions=agreed)

    assert not spared.violations
    assert spared.exception == name
    assert other.violations
    assert not other.exception


def test_an_exception_also_spares_what_is_not_known_yet() -> None:
    """Otherwise every preview would warn of what was agreed on."""
    subject = resource("t", {"more": UNKNOWN})
    result = verdict(RULE, subject, exceptions={"it": "it is a test of exceptions"})

    assert result.exception == "it"
    assert not result.not_yet_known


def test_an_unused_exception_is_not_counted_as_used() -> None:
    """So that the pack can report it."""
    quiet = Rule("quiet", "Holds.", "w", "f", lambda *_: iter(()))
    result = verdict(quiet, resource("t"), exceptions={"it": "it is a test of exceptions"})

    assert not result.exception


def test_a_reason_of_blanks_is_none() -> None:
    """The schema cannot say that plainly."""
    result = verdict(RULE, resource("t"), exceptions={"it": " " * 20})

    assert result.violations
    assert not result.exception


def test_every_rule_has_its_own_id_a_reason_and_a_fix() -> None:
    """In sentences that fit into a message and a table."""
    assert len({rule.id for rule in all_rules()}) == len(all_rules())
    for rule in all_rules():
        assert rule.id == rule.id.lower().replace("_", "-")
        assert rule.holds.endswith(".")
        assert not rule.why.endswith(".")
        assert not rule.fix.endswith(".")
        for name, schema in {**EXCEPTIONS, **rule.settings}.items():
            assert schema["description"], name
            assert "default" in schema, name


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_a_resource_that_no_rule_knows_is_right(rule: Rule) -> None:
    """And so is one of which nothing is known."""
    result = verdict(rule, resource("team:index:Thing", {"policy": UNKNOWN, "acl": UNKNOWN}))

    assert not result.violations
    assert not result.not_yet_known


def test_values_are_read_at_their_places() -> None:
    """What is not there is None, on whichever way; what is not known is an error with its place."""
    value = {"a": {"b": 1, "c": UNKNOWN, "d": None}, "e": [1]}

    assert read(value, "a", "b") == 1
    assert read(value, "a", "d", "x") is None
    assert read(value, "x", "y") is None
    assert read_list(value, "e") == [1]
    assert read_list(value, "a", "b") == [1]
    assert read_list(value, "x") == []
    with pytest.raises(NotYetKnownError, match=r"^a\.c is not known yet$"):
        read(value, "a", "c", "d")


@pytest.mark.parametrize(
    ("value", "is_on"),
    [(True, True), ("true", True), ("1", True), (False, False), ("false", False), (None, False)],
)
def test_a_setting_is_on_however_it_is_written(value: object, is_on: bool) -> None:
    """Providers get text."""
    assert is_true(value) is is_on
