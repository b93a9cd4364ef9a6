"""Which objects the URL of a narinfo may name."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nix_cache.cli.inventory.contents import is_collectable
from nix_cache.formats.nar_url import ElsewhereError, InvalidUrlError, NamedObjects, NarUrl

NAME = "1111111111111111111111111111111111111111111111111111.nar.xz"
KEY = f"nar/{NAME}"
CACHE = "https://cache.example.org/bucket"


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


class TestResolved:
    """The object that Nix reads."""

    @pytest.mark.parametrize(
        ("url", "key"),
        [
            ("nar/x.nar.xz", "nar/x.nar.xz"),
            ("./nar/x", "nar/x"),
            ("a/../nar/x", "nar/x"),
            ("../bucket/nar/x", "nar/x"),
            ("/bucket/nar/x", "nar/x"),
            (f"{CACHE}/nar/x", "nar/x"),
            ("//cache.example.org/bucket/x", "x"),
            ("n%61r/x", "nar/x"),
            ("n%2561r/x", "n%61r/x"),
            ("nar/x#y", "nar/x"),
            ("x", "x"),
        ],
    )
    def test_an_object_of_the_cache_is_named(self, url: str, key: str) -> None:
        """As RFC 3986 resolves it."""
        assert NarUrl.parse(url).resolved(CACHE) == key
        assert NarUrl.parse(url).resolved(f"{CACHE}/") == key

    @pytest.mark.parametrize(
        "url",
        [
            "a b",
            "a\n",
            "\x1b[2J",
            "ä",
            "a%zz",
            "a%",
            'a"b',
            "a\\b",
            "[",
            "foo:x",
            "nar:x",
            "data:,x",
        ],
    )
    def test_a_url_that_nix_cannot_use_is_invalid(self, url: str) -> None:
        """Foreign characters, unknown protocols."""
        with pytest.raises(InvalidUrlError):
            NarUrl.parse(url).resolved(CACHE)

    @pytest.mark.parametrize(
        "url",
        [
            *("http://cache.example.org/bucket/x", "//other.example.org/bucket/x", "s3://b/x"),
            *("/other/x", "/bucketx", "..", "nar/x?y=z", "nar//x", "nar/%2e%2e/x", "%2e%2e/x"),
            *("nar/", "?x", "#x", ".", "nar/%ff"),
        ],
    )
    def test_a_url_that_leads_elsewhere_is_not_followed(self, url: str) -> None:
        """Nix may follow it."""
        with pytest.raises(ElsewhereError):
            NarUrl.parse(url).resolved(CACHE)

    @given(st.text())
    def test_any_text_is_a_key_or_one_of_two_errors(self, url: str) -> None:
        """Never another exception."""
        try:
            key = NarUrl.parse(url).resolved(CACHE)
        except (InvalidUrlError, ElsewhereError):
            return
        assert key

    @given(
        st.lists(
            st.sampled_from(
                [
                    *("nar", "/", "//", ".", "..", "./", "../", "%2e", "%252F", "%2f", "?", "#"),
                    *(NAME, NAME.upper(), "bucket", "https:", CACHE, "=", "&", ":", ";", "%61"),
                ]
            )
        ).map("".join)
    )
    def test_a_nar_that_nix_reads_is_one_that_the_url_may_name(self, url: str) -> None:
        """So garbage collection keeps each NAR of which doctor finds that it is there."""
        found = NarUrl.parse(url)
        with contextlib.suppress(InvalidUrlError, ElsewhereError):
            key = found.resolved(CACHE)
            assert found.may_name(key) or not is_collectable(key)
