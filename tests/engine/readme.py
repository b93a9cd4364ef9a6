"""What the README tells people to type."""

import re

from tools.bootstrap import ROOT

TEXT = (ROOT / "README.md").read_text()


def blocks(language: str, text: str = TEXT) -> list[str]:
    """Return the fenced blocks of a language; an empty one is that of commands to adapt."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [content for found, content in fenced if found == language]


def section(title: str) -> str:
    """All below a heading, to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"the README has no section {title}"
    return found[1]


def commands(title: str, *, holding: str = "") -> list[str]:
    """Return the lines of a section's blocks of commands to adapt that contain a text."""
    lines = [
        line
        for block in blocks("", section(title))
        if holding in block
        for line in block.replace("\\\n", " ").splitlines()
    ]
    assert lines, f"the README's section {title} has no commands with {holding!r}"
    return lines
