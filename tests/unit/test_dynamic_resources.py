"""The provider behind signing keys, called as the engine calls it."""

from typing import Any

import pytest
from pulumi.output import Unknown

from nix_cache.dynamic.signing_key import SigningKeyProvider
from nix_cache.formats import signing

KEY = signing.generate("cache.example.org-1")
OTHER_OF_THE_SAME_NAME = signing.generate("cache.example.org-1")
OTHER = signing.generate("other.example.org-1")
UNKNOWN: Any = Unknown()  # type: ignore[no-untyped-call]


@pytest.fixture
def keys() -> SigningKeyProvider:
    """Provide the provider of signing keys."""
    return SigningKeyProvider()


def kept(key: signing.SecretKey) -> dict[str, Any]:
    """Return a key's outputs in the state."""
    return {"key_name": "a-1", "public_key": key.public_text, "secret_key": key.secret_text}


def test_a_key_is_made_under_its_name(keys: SigningKeyProvider) -> None:
    """Its id is its name, which is not a secret."""
    made = keys.create({"key_name": "a-1"})

    assert made.outs is not None
    assert made.id == "a-1"
    assert signing.parse_secret_key(made.outs["secret_key"]).public_text == made.outs["public_key"]
    assert made.outs["public_key"].startswith("a-1:")


def test_a_key_that_is_brought_in_is_kept_as_it_is(keys: SigningKeyProvider) -> None:
    """With its own name, and without a second copy in the outputs."""
    made = keys.create({"key_name": "a-1", "brought_in": KEY.secret_text})

    assert made.id == "cache.example.org-1"
    assert made.outs == kept(KEY)


@pytest.mark.parametrize(
    ("news", "replaces"),
    [
        ({"key_name": "a-1"}, []),
        ({"key_name": "a-1", "brought_in": KEY.secret_text}, []),
        ({"key_name": "a-1", "brought_in": UNKNOWN}, []),
        ({"key_name": "a-2"}, ["key_name"]),
        ({"key_name": "a-1", "brought_in": OTHER.secret_text}, ["brought_in"]),
    ],
    ids=["same", "same brought in", "not known yet", "renamed", "another"],
)
def test_only_a_new_name_makes_a_new_key(
    keys: SigningKeyProvider, news: dict[str, Any], replaces: list[str]
) -> None:
    """Taking a key out of the configuration that was brought in once changes nothing."""
    difference = keys.diff("id", kept(KEY), news)

    assert difference.replaces == replaces
    assert difference.changes is bool(replaces)


def test_another_key_under_a_name_in_use_is_refused(keys: SigningKeyProvider) -> None:
    """Clients distinguish keys by their names alone."""
    news = {"key_name": "a-1", "brought_in": OTHER_OF_THE_SAME_NAME.secret_text}

    with pytest.raises(ValueError, match="already in use under the name") as refusal:
        keys.diff("id", kept(KEY), news)
    assert OTHER_OF_THE_SAME_NAME.secret_text.partition(":")[2] not in str(refusal.value)


def test_a_broken_key_is_refused_before_it_is_kept(keys: SigningKeyProvider) -> None:
    """Also one that was an Output when the arguments were checked."""
    result = keys.check({}, {"key_name": "a-1", "brought_in": "a-1:AAAA"})

    assert [failure.property for failure in result.failures] == ["brought_in"]
    assert "AAAA" not in result.failures[0].reason
    assert not keys.check({}, {"key_name": "a-1", "brought_in": KEY.secret_text}).failures
