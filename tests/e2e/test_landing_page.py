"""The landing page in a real browser, from the real server: read, copied from, looked at."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from nix_cache.formats.manifest import Manifest
from tests.e2e.browser import Scheme, find, running, visit
from tests.engine.conftest import running_server
from tests.engine.project import public_cache
from tools.bootstrap import cache_folder
from tools.engine import Engine

PHONE, DESKTOP = 360, 1280
"""Widths in CSS pixels. Phones narrower than 360 are hardly sold any more."""

LEAST_CONTRAST = 4.5
"""For text of ordinary size: WCAG 2.2, success criterion 1.4.3."""

LONG_DOMAIN = f"{'a-very-long-name-' * 5}example.org"

TEXTS = """() => {
  const opaque = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" && element.parentElement
      ? opaque(element.parentElement) : color;
  };
  return [...document.body.querySelectorAll("*")]
    .filter((element) => element.checkVisibility() && [...element.childNodes].some(
      (node) => node.nodeType === Node.TEXT_NODE && node.data.trim()))
    .map((element) => [
      element.textContent.trim().slice(0, 40), getComputedStyle(element).color, opaque(element),
    ]);
}"""
"""Of each element with its own text: the text, its colour, and the colour behind it."""


@dataclass(frozen=True)
class Site:
    """A cache's page on its server, and the outputs of its stack."""

    url: str
    outputs: dict[str, Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Site]:
    """Provide a public cache with two writers, a rotated key, and the longest names."""
    folder = tmp_path_factory.mktemp("site")
    with running_server(folder / "minio", engine) as server:
        project = public_cache(folder / "project", engine, folder / "minio", domain=LONG_DOMAIN)
        project.set(writers=[{"name": "nixbuilder", "generation": 2}, "ci-runner"])
        project.up()
        yield Site(f"{server.url}/nix-cache/index.html", project.outputs())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests; each visit is another user's."""
    with running(find(cache_folder()), tmp_path_factory.mktemp("browser")) as found:
        yield found


def contrast(one: str, other: str) -> float:
    """How well two colours can be distinguished, from 1 to 21, as WCAG defines it.

    Args:
        one: a colour as browsers compute it: ``rgb(0, 0, 0)``.
        other: another.
    """
    dark, light = sorted(map(_luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    channels = [int(value) / 255 for value in re.findall(r"\d+", color)]
    assert len(channels) == 3, f"{color} is not opaque"
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(c * weight for c, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_all_of_it_is_public(
    site: Site, browser: Browser, tmp_path: Path, width: int, scheme: Scheme, scripts: bool
) -> None:
    """Nothing is cut off or pale, nothing fails, and no other user is asked for anything."""
    with visit(browser, site.url, width=width, scheme=scheme, java_script_enabled=scripts) as seen:
        seen.page.screenshot(path=tmp_path / f"{width}-{scheme}.png", full_page=True)
        text = seen.page.locator("body").inner_text()
        texts = seen.page.evaluate(TEXTS)
        widths = seen.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")

        assert widths[0] <= widths[1] == width
        for element in seen.page.locator("pre, code, h1, dd").all():
            assert element.evaluate("e => e.scrollWidth <= e.clientWidth || e.clientWidth === 0")
        for key in site.outputs["publicKeys"]:
            assert seen.page.locator(".keys code", has_text=key).is_visible()
        for output in ("nixosModule", "flakeConfig"):
            assert seen.page.locator("pre", has_text=site.outputs[output]).is_visible()
        assert f"nix-cache use {site.outputs['readUrl']}" in text
        assert len(texts) > 20
        assert not [found for found in texts if contrast(*found[1:]) < LEAST_CONTRAST]
        assert seen.page.get_by_role("button", name="Copy").count() == (4 if scripts else 0)
        assert seen.complaints == []
        assert {urlsplit(asked).netloc for asked in seen.requests if asked[:5] != "data:"} == {
            urlsplit(site.url).netloc
        }


def test_light_and_dark_are_what_they_are_called(site: Site, browser: Browser) -> None:
    """By the visitor's own setting: dark on light, or light on dark."""
    luminances = {}
    for scheme in ("light", "dark"):
        with visit(browser, site.url, scheme=scheme) as seen:
            style = "getComputedStyle(document.body)"
            luminances[scheme] = [
                _luminance(seen.page.evaluate(f"{style}.{name}"))
                for name in ("color", "backgroundColor")
            ]

    assert luminances["light"][0] < luminances["light"][1] > 0.8
    assert luminances["dark"][0] > luminances["dark"][1] < 0.05


def test_a_button_copies_exactly_what_stands_below_it(site: Site, browser: Browser) -> None:
    """Letter by letter, and it says that it did."""
    expected = [
        f"nix-cache use {site.outputs['readUrl']}",
        "".join(
            f"{line}\n"
            for line in site.outputs["nixConf"].splitlines()
            if line.startswith("extra-")
        ),
        site.outputs["nixosModule"],
        site.outputs["flakeConfig"],
    ]
    with visit(browser, site.url, permissions=["clipboard-read", "clipboard-write"]) as seen:
        copied = []
        for figure in seen.page.locator("figure").all():
            figure.get_by_role("button").click()
            figure.get_by_role("button", name="Copied").wait_for()
            copied.append(seen.page.evaluate("navigator.clipboard.readText()"))

    assert copied == expected


def test_a_keyboard_reaches_every_button_and_link_and_shows_where_it_is(
    site: Site, browser: Browser
) -> None:
    """In the order in which they are read."""
    with visit(browser, site.url) as seen:
        reached = []
        for _ in range(6):
            seen.page.keyboard.press("Tab")
            reached.append(
                seen.page.evaluate(
                    "[document.activeElement.textContent, "
                    "getComputedStyle(document.activeElement).outlineStyle]"
                )
            )

    assert reached == [["Copy", "solid"]] * 4 + [
        ["nix-cache.json", "solid"],
        ["nix-cache-info", "solid"],
    ]


def test_the_links_lead_to_what_programs_read(site: Site, browser: Browser) -> None:
    """The manifest is the readers' part of the output, and the other is the cache's own info."""
    with visit(browser, site.url) as seen:
        links = [link.evaluate("link => link.href") for link in seen.page.get_by_role("link").all()]
        manifest, info = (seen.page.request.get(link).text() for link in links)

    cache = Manifest.model_validate(site.outputs["manifest"])
    assert Manifest.model_validate_json(manifest) == cache.for_readers() != cache
    assert info.startswith("StoreDir: /nix/store\n")


def test_the_contrast_of_known_pairs_is_known() -> None:
    """The test's own measure, at both ends and in between."""
    black, white, grey = "rgb(0, 0, 0)", "rgb(255, 255, 255)", "rgb(119, 119, 119)"

    assert contrast(black, white) == pytest.approx(21)
    assert contrast(grey, grey) == 1
    assert contrast(grey, white) == contrast(white, grey) == pytest.approx(4.48, abs=0.01)
    assert all(contrast(*pair) >= 1 for pair in itertools.permutations((black, white, grey), 2))
