"""Every link between the documents leads somewhere."""

import re
import subprocess
from pathlib import Path

import pytest

from nix_cache.cli.help.pages import headings
from tools.bootstrap import ROOT

DOCUMENTS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_inside_the_repository_resolves(document: Path) -> None:
    """To a file or a folder, and to a heading where one is named."""
    for link in LINK.findall(FENCED.sub("", document.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in {h.anchor for h in headings(target.read_text())}, link


def test_there_are_documents() -> None:
    """The list above is not empty by mistake."""
    assert {"README.md", "architecture.md", "arguments.md"} <= {path.name for path in DOCUMENTS}
