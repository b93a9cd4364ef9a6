"""The documents as tests read them: headings, fenced blocks, and which commands are executed.

A block of commands is ```` ```sh run```` if a test executes it. Otherwise a comment before the
fence gives the reason: ``<!-- not run: needs Nix -->``.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.bootstrap import ROOT

README = "README.md"
_HEADING = re.compile(r"#+ (.+)")
_FENCE = re.compile(r" *```(.*)")
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the document's path in the repository.
        section: the nearest heading above.
        line: the number of the fence's line.
        language: the first word after the fence; empty without one.
        marks: the other words after the fence.
        reason: why no test executes it; empty without such a comment.
        content: the lines between the fences, each with its end.
    """

    page: str
    section: str
    line: int
    language: str
    marks: tuple[str, ...]
    reason: str
    content: str

    @property
    def is_executed(self) -> bool:
        """Whether a test executes the commands."""
        return "run" in self.marks


def documents() -> list[str]:
    """Return the paths of all Markdown files of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return sorted(name for name in listed.splitlines() if (ROOT / name).is_file())


def text(page: str) -> str:
    """Return the text of a document."""
    return (ROOT / page).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """Return what is below a heading, to the next heading of its level or above."""
    found = re.search(
        rf"^(#+) {re.escape(title)}\n(.*?)(?=^#{{1,6}} |\Z)", text(page), re.MULTILINE | re.DOTALL
    )
    assert found is not None, f"{page} has no section {title!r}"
    level = len(found[1])
    rest = text(page)[found.start(2) :]
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def blocks(page: str, *, language: str = "", title: str = "") -> list[Block]:
    """Return the fenced blocks of a document.

    Args:
        page: the document's path in the repository.
        language: of the blocks; empty for all.
        title: the nearest heading above the blocks; empty for all.
    """
    return [
        block
        for block in _blocks(page, text(page))
        if language in ("", block.language) and title in ("", block.section)
    ]


def commands(page: str, title: str) -> list[str]:
    """Return the command lines under a heading that are marked as executed.

    `test_pages.py` fails for a marked block that no test asks for by this function.
    """
    lines = [
        line
        for block in blocks(page, language="sh", title=title)
        if block.is_executed
        for line in block.content.replace("\\\n", " ").splitlines()
    ]
    assert lines, f"the section {title!r} of {page} has no commands to execute"
    return lines


def _blocks(page: str, written: str) -> Iterator[Block]:
    lines = iter(enumerate(written.splitlines(keepends=True), start=1))
    title, before = "", ""
    for number, line in lines:
        if heading := _HEADING.match(line):
            title, before = heading[1].strip(), ""
        elif fence := _FENCE.match(line):
            language, *marks = fence[1].split() or [""]
            content = ""
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                content += inner
            reasons = _NOT_RUN.findall(before)
            reason = " ".join(reasons[-1].split()) if reasons else ""
            yield Block(page, title, number, language, tuple(marks), reason, content)
            before = ""
        elif not line.strip() and not before.rstrip().endswith("-->"):
            before = ""
        else:
            before += line


def path(page: str) -> Path:
    """Return where a document is."""
    return ROOT / page
