"""Which objects the URL of a narinfo may name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.nar_url import NamedObjects, NarUrl

NAME = "1111111111111111111111111111111111111111111111111111.nar.xz"
KEY = f"nar/{NAME}"


@pytest.mark.parametrize("url", [KEY, NAME, f"a/b/{NAME}", "nar/d0c6-x_Y.nar"])
def test_a_plain_relative_path_is_the_key(url: str) -> None:
    """Every Nix and every server reads it in the same way."""
    found = NarUrl.parse(url)

    assert (found.key, found.parts) == (url, frozenset())
    assert found.may_name(url)
    assert not found.may_name(f"other/{url}")


@pytest.mark.parametrize(
    "url",
    [
        f"./{KEY}",
        f"nar//{NAME}",
        f"/{KEY}",
        f"nar/./{NAME}",
        f"nar/x/../{NAME}",
        f"nar/%2e%2e/{KEY}",
        f"../bucket/{KEY}",
        f"nar/{NAME.replace('.', '%2e')}",
        f"nar/{NAME.replace('.', '%2E')}",
        f"nar/{NAME.replace('.', '%252e')}",
        f"nar%2f{NAME}",
        "nar/" + "".join(f"%{ord(letter):02x}" for letter in NAME),
        f"{KEY}?hash=wvx0nans273vb7b0cjlplsmr2z905hwd",
        f"{KEY}#part",
        f"{KEY}/",
        f"{KEY}/.",
        f" {KEY} ",
        f"nar\\{NAME}",
        f"https://cache.example.org/demo/{KEY}",
        f"https://elsewhere.example.org:8443/{KEY}?x=1",
        f"//cdn.example.org/{KEY}",
        f"s3://demo/{KEY}?endpoint=https://s3.example.org",
        f"https://cdn.example.org/get?file={NAME}&x=1",
        f"nar/{NAME.upper()}?",
    ],
)
def test_a_url_that_is_not_certain_may_name_the_nar(url: str) -> None:
    """However Nix, a proxy or the storage reads it."""
    found = NarUrl.parse(url)

    assert found.key is None
    assert found.may_name(KEY)
    assert not found.may_name(f"nar/{'2' * 52}.nar.xz")


@given(st.text())
def test_any_text_is_allowed(url: str) -> None:
    """A narinfo may state anything."""
    assert not NarUrl.parse(url).may_name("nar/z.nar") or "z.nar" in url.lower()


def test_many_urls_are_looked_at_together() -> None:
    """Certain ones by their key, others by their parts."""
    named = NamedObjects(map(NarUrl.parse, ["nar/a.nar", "./nar/b.nar"]))

    assert "nar/a.nar" in named
    assert "nar/b.nar" in named
    assert "pool/b.nar" in named
    assert "pool/a.nar" not in named
