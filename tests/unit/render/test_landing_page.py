"""The page for people: what is in it, for whom, and what cannot get into it."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from nix_cache.formats.manifest import Manifest
from nix_cache.render import landing_page, nix_conf

NEW, OLD, RETIRED = (f"{name}:{material * 10}=" for name, material in [
    ("cache.example.org-ci-2", "AAAA"),
    ("cache.example.org-ci-1", "BBBB"),
    ("old.example.org-1", "C+C/"),
])  # fmt: skip
HOSTILE = (
    """</code></pre></script><script>alert(1)</script><img src=x onerror='a()'>&amp;"'{{7*7}}"""
)


def manifest(**different: Any) -> Manifest:
    """Return a public cache with a key in use and two earlier ones."""
    fields: dict[str, Any] = {
        "version": 1,
        "backend": "minio",
        "bucket": "nix-cache",
        "endpoint": "https://minio.example.org",
        "region": "us-east-1",
        "public": True,
        "store_dir": "/nix/store",
        "priority": 40,
        "want_mass_query": True,
        "read_url": "https://minio.example.org/nix-cache",
        "push_urls": {},
        "profiles": {},
        "public_keys": (NEW, OLD, RETIRED),
        "key_names": {"ci": "cache.example.org-ci-2"},
        "readers": (),
        "expire_after_days": 0,
        "landing_page": True,
        "is_published": True,
    }
    return Manifest(**{**fields, **different})


class Page(HTMLParser):
    """A page as a browser takes it apart.

    Attributes:
        elements: every element's name and attributes, in order.
        text: all that can be read, without style and script.
        code: the text of each ``code`` element.
        inline: the text of each ``style`` and ``script`` element.
        html: the whole text.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.code: list[str] = []
        self.inline: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("meta", "link"):
            self._open.append(tag)
        if tag == "code":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave an element: the page closes all that it opens, in order."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text, by what it is in."""
        if self._open and self._open[-1] in ("style", "script"):
            self.inline[self._open[-1]] = data
            return
        self.text += data
        if "code" in self._open:
            self.code[-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(domain: str = "cache.example.org", **different: Any) -> Page:
    """Return the page of a cache."""
    return Page(landing_page.render(domain, manifest(**different)))


def test_every_snippet_can_be_copied_as_it_is() -> None:
    """The same texts that the stack's outputs have, each in one element."""
    url, keys = "https://minio.example.org/nix-cache", [NEW, OLD, RETIRED]
    code = page_of().code

    assert f"nix-cache use {url}" in code
    assert nix_conf.substituter_settings(url, keys) in code
    assert nix_conf.nixos_module(url, keys) in code
    assert nix_conf.flake_config(url, keys) in code


def test_every_key_is_there_in_one_piece() -> None:
    """It can be compared and copied."""
    page = page_of()

    assert [code for code in page.code if code in (NEW, OLD, RETIRED)] == [NEW, OLD, RETIRED]


def test_the_page_names_no_writer_and_no_reader() -> None:
    """Not even when it is rendered from the whole output."""
    page = page_of(
        push_urls={"the-writer": "s3://nix-cache?profile=the-profile"},
        profiles={"the-writer": "the-profile", "the-reader": "the-reader-profile"},
        key_names={"the-writer": NEW.partition(":")[0]},
        readers=("the-reader",),
    )

    assert not [name for name in ("the-writer", "the-profile", "the-reader") if name in page.html]


@pytest.mark.parametrize(
    ("days", "text"), [(0, "Packages expirenever"), (90, "Packages expireafter 90 days")]
)
def test_the_page_states_when_packages_expire(days: int, text: str) -> None:
    """So that readers do not rely on old ones."""
    assert text in page_of(expire_after_days=days).text


def test_the_page_links_to_what_programs_read() -> None:
    """Relative, so that it works under whatever name the bucket is reached."""
    assert [link["href"] for link in page_of().all("a")] == ["nix-cache.json", "nix-cache-info"]


def test_what_is_not_there_is_not_pointed_to() -> None:
    """Without a manifest, `nix-cache use` cannot read the address."""
    page = page_of(is_published=False)

    assert [link["href"] for link in page.all("a")] == ["nix-cache-info"]
    assert "nix-cache use" not in page.text


def test_a_private_cache_says_so_and_how_it_is_read() -> None:
    """Its address alone is of no use."""
    url = "s3://nix-cache?profile=nixreader&endpoint=https%3A%2F%2Fm&region=us-east-1"
    page = page_of(public=False, read_url=url)

    assert "The cache is private: reading needs a credential" in page.text
    assert "/root/.aws/credentials" in page.text
    assert "reading needs no account" not in page.text
    assert "nix-cache use" not in page.text
    assert nix_conf.substituter_settings(url, [NEW, OLD, RETIRED]) in page.code
    assert "/root/.aws/credentials" not in page_of().text


@pytest.mark.parametrize(
    "different",
    [
        {"domain": HOSTILE},
        {"read_url": HOSTILE},
        {"store_dir": HOSTILE},
        {"public_keys": (f"{HOSTILE}:AAAA", f"a:{HOSTILE}")},
    ],
    ids=str,
)
def test_no_value_becomes_markup(different: dict[str, Any]) -> None:
    """It is shown as it is written, and the page has no element more."""
    page = page_of(**different)
    harmless: dict[str, Any] = {"public_keys": (NEW, OLD)} if "public_keys" in different else {}
    plain = page_of(**harmless)

    assert [name for name, _ in page.elements] == [name for name, _ in plain.elements]
    assert HOSTILE in page.text
    assert "49" not in page.text


def test_a_hostile_address_is_one_word_for_a_shell() -> None:
    """A user who copies the command runs no other."""
    [command] = [code for code in page_of(read_url="https://m/$(rm -r ~)").code if "use" in code]

    assert command == "nix-cache use 'https://m/$(rm -r ~)'"


def test_nothing_is_loaded_from_anywhere() -> None:
    """No element of the page names an address that a browser would fetch."""
    page = page_of()

    assert {name for name, _ in page.elements}.isdisjoint(
        {"img", "iframe", "object", "embed", "form", "base", "video", "audio", "source"}
    )
    assert not any("src" in attributes for _, attributes in page.elements)
    assert [link["rel"] for link in page.all("link")] == ["icon"]
    assert page.all("link")[0]["href"].startswith("data:image/svg+xml,")
    assert not re.search(r"url\(|@import", page.inline["style"])


def test_the_policy_allows_exactly_the_pages_own_style_and_script() -> None:
    """By their hashes, and nothing else at all."""
    page = page_of()
    [policy] = [
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]

    def source(name: str) -> str:
        digest = hashlib.sha256(page.inline[name].encode()).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src {source('style')}",
        f"script-src {source('script')}",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert not any("style" in attributes for _, attributes in page.elements)


def test_the_page_has_a_language_a_title_headings_and_landmarks() -> None:
    """What screen readers and search engines go by."""
    page = page_of()
    names = [name for name, _ in page.elements]

    assert page.all("html") == [{"lang": "en"}]
    assert "cache.example.org · Nix binary cache" in page.text
    assert (names.count("h1"), names.count("main"), names.count("header")) == (1, 1, 1)
    headings = [name for name in names if re.fullmatch("h[1-6]", name)]
    assert headings == ["h1", "h2", "h3", "h3", "h3", "h3", "h2", "h2"]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for a in page.all("section")} <= set(ids)


def test_the_same_cache_has_the_same_page() -> None:
    """Letter by letter: else every `pulumi up` would rewrites it."""
    first = landing_page.render("cache.example.org", manifest())

    assert landing_page.render("cache.example.org", manifest()) == first
    assert first.startswith("<!doctype html>\n")
    assert first.endswith("</html>\n")
