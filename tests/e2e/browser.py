"""A real, headless Chromium: the machine's own, or Debian's in a tree of the user's cache."""

import contextlib
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from offline import debian
from tools.errors import BuildError

NAMES = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("chromium", "fonts-dejavu-core")
OPTIONS = (
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Scheme = Literal["light", "dark"]


def find(cache: Path) -> list[str]:
    """Return the command that runs Chromium.

    Args:
        cache: the user's cache folder, where a Debian tree goes.

    Raises:
        BuildError: there is none on PATH, and a tree cannot be made.
    """
    if own := _own():
        return [own]
    return debian.command(debian.tree("browser", PACKAGES, cache), ["chromium"])


def why_missing() -> BuildError | None:
    """Why this machine has no Chromium and can have none; None if it can."""
    return None if _own() else debian.why_impossible()


def _own() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def running(command: Sequence[str], folder: Path) -> Iterator[Browser]:
    """Provide a browser without a past, whose launcher and profiles are in a folder.

    Args:
        command: what runs Chromium.
        folder: where it may write.
    """
    launcher = folder / "chromium"
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    launcher.chmod(0o700)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=launcher, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page that was opened, and what happened meanwhile.

    Attributes:
        page: the page.
        complaints: errors and warnings on the console, and what its script failed with.
        requests: the addresses that were asked for.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


@contextlib.contextmanager
def visit(
    browser: Browser, url: str, *, width: int = 1280, scheme: Scheme = "light", **options: Any
) -> Iterator[Visit]:
    """Open a page as a user who was never there before.

    Args:
        browser: the browser.
        url: the page's address.
        width: of the window, in CSS pixels.
        scheme: the colours that the visitor's system is set to.
        options: as for ``Browser.new_context``.
    """
    viewport: Any = {"width": width, "height": 900}
    context = browser.new_context(viewport=viewport, color_scheme=scheme, **options)
    try:
        visited = Visit(context.new_page())
        answer = visited.page.goto(url, wait_until="networkidle")
        assert answer is not None
        assert answer.status == 200
        yield visited
    finally:
        context.close()
