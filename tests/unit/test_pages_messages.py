"""The messages that the page on troubleshooting quotes are those of the programs."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.pages import text
from tests.sources import syntax_tree
from tools.bootstrap import ROOT

OF_OTHER_PROGRAMS = {
    "ignoring untrusted substituter",
    "lacks a signature by a trusted key",
    "HTTP error 403",
    "A change of nix.conf has no effect",
    "bucket already exists!",
    "the stack is currently locked",
    "incorrect passphrase",
    "resource cannot be deleted … protected",
}
"""What Nix and Pulumi print, and what is no message."""

HEADINGS = re.findall(r"^### (.+)$", text("docs/troubleshooting.md"), re.MULTILINE)


def messages() -> Iterator[str]:
    """Yield the texts in the package's sources, with an ellipsis for each value in them."""
    for file in (ROOT / "components" / "nix_cache").rglob("*.py"):
        for node in ast.walk(syntax_tree(file.read_text(encoding="utf-8"))):
            match node:
                case ast.JoinedStr(values=values):
                    yield "".join(
                        str(value.value) if isinstance(value, ast.Constant) else "…"
                        for value in values
                    )
                case ast.Constant(value=str(value)):
                    yield value


MESSAGES = list(messages())


def quotes(heading: str, message: str) -> bool:
    """Return whether a heading has words of a message; either may leave values out."""
    if re.search(as_pattern(heading), message):
        return True
    words = message.replace("…", "")
    return "…" in message and len(words) > 12 and bool(re.search(as_pattern(message), heading))


def as_pattern(text: str) -> str:
    """Return a pattern for a text with ellipses for values."""
    return ".+".join(re.escape(part) for part in text.strip("…").split("…"))


def test_the_page_quotes_messages() -> None:
    """The list of others has nothing that the page does not quote."""
    assert set(HEADINGS) > OF_OTHER_PROGRAMS


@pytest.mark.parametrize("heading", [one for one in HEADINGS if one not in OF_OTHER_PROGRAMS])
def test_a_quoted_message_is_one_of_the_package(heading: str) -> None:
    """Otherwise correct the heading in `docs/troubleshooting.md`."""
    assert any(quotes(heading, message) for message in MESSAGES)


def test_a_message_with_values_is_recognised_and_another_one_is_not() -> None:
    assert quotes("the storage accepts writes", "the storage accepts …")
    assert quotes("there is no profile … with a key", "there is no profile prod with a key pair")
    assert not quotes("the storage accepts writes", "the storage refuses …")
    assert not quotes("the storage accepts writes", "…: …")
