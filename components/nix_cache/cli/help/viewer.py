"""Shows pages: formatted and in a pager on a terminal, else as they are."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import PurePosixPath
from posixpath import normpath

from nix_cache.cli.help.pages import Page
from nix_cache.cli.machine import console

_WIDEST = 100
"""Columns. Longer lines are hard to read."""

_NOT_FOUND = 127
"""The shell's exit code for a program that does not exist."""


def show_topics(pages: Sequence[Page]) -> None:
    """List the topics with their titles."""
    console.columns([(page.topic, page.title) for page in pages])
    console.note("Run `nix-cache help TOPIC` to read a page.")


def show(page: Page) -> None:
    """Print a page."""
    if not console.out.is_terminal:
        console.out.text(page.text)
        return
    text = console.out.formatted(_with_topics(page), min(_WIDEST, shutil.get_terminal_size()[0]))
    if not _paged(text):
        console.out.preformatted(text)


def _paged(text: str) -> bool:
    """Show a text in $PAGER, or in ``less``; returns whether that was possible."""
    pager = os.environ.get("PAGER", "less").strip()
    if not pager or pager == "cat":
        return False
    # As git does: colours, no pager for a text that fits, and the text stays on the screen.
    environment = {"LESS": "FRX", "LV": "-c", **os.environ}
    # Ctrl-C is the pager's own, for example to end a search.
    previous = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        done = subprocess.run(
            ["sh", "-c", pager],
            input=text,
            encoding="utf-8",
            errors="replace",
            env=environment,
            check=False,
            stderr=subprocess.DEVNULL,
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    return done.returncode != _NOT_FOUND


def _with_topics(page: Page) -> str:
    """Return the Markdown of a page, in which a link to another page names its topic."""

    def named(link: re.Match[str]) -> str:
        path, hash_mark, anchor = link[2].partition("#")
        if "://" in path or not path.endswith(".md"):
            return link[1] if hash_mark and not path else link[0]
        topic = normpath(str(PurePosixPath(page.topic).parent / path)).removesuffix(".md")
        return link[0] if topic.startswith("..") else f"{link[1]} (`{topic}{hash_mark}{anchor}`)"

    return re.sub(r"(?<!!)\[([^\]\n]*)\]\(([^)\s]+)\)", named, page.text)
