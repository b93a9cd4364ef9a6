"""Messages that point to the documentation point to pages and headings that exist."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from nix_cache import docs
from nix_cache.cli.help import pages
from tests.sources import syntax_tree
from tools.bootstrap import ROOT

FOLDERS = ("components", "tools", "offline", "policies", "nix", "examples")


def references(source: str) -> Iterator[tuple[int, tuple[str, ...] | None]]:
    """Yield the line and the arguments of each call of `docs.page`; None if they vary."""
    for node in ast.walk(syntax_tree(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="docs"), attr="page"),
                args=arguments,
                keywords=keywords,
            ):
                values = [a.value for a in arguments if isinstance(a, ast.Constant)]
                literal = len(values) == len(arguments) and not keywords
                yield node.lineno, tuple(map(str, values)) if literal else None


def missing(source: str) -> list[str]:
    """Return what is wrong with a module's references."""
    found = []
    for line, arguments in references(source):
        if not arguments:
            found.append(f"line {line}: arguments are not literals")
            continue
        try:
            pages.find("#".join(arguments))
        except Exception as error:
            found.append(f"line {line}: {error}")
            continue
        if arguments[0] not in {page.topic for page in pages.all_pages()}:
            found.append(f"line {line}: {arguments[0]} is not the whole path")
    return found


def sources() -> list[Path]:
    """All modules that print messages for users."""
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if not {"venv", "__pycache__"} & {*path.parts}
    )


def test_every_reference_leads_to_a_page_and_a_heading() -> None:
    """Of those that `nix-cache help` prints."""
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in sources()
        for what in missing(path.read_text())
    ]

    assert not found


def test_there_are_references_and_none_goes_past_the_one_function() -> None:
    """A module imports `docs` itself, as the search above looks for its name."""
    texts = {path: path.read_text() for path in sources()}

    assert sum(len(list(references(text))) for text in texts.values()) >= 5
    assert not [path for path, text in texts.items() if "nix_cache.docs import" in text]


@pytest.mark.parametrize(
    "call",
    ["docs.page('no/such')", "docs.page('upgrades', 'no-such')", "docs.page(topic)", "docs.page()"],
)
def test_a_wrong_reference_is_found(call: str) -> None:
    assert missing(call)


def test_a_reference_is_a_command_that_can_be_run() -> None:
    assert docs.page("upgrades") == "`nix-cache help upgrades`"
    assert docs.page("guides/keys", "rotate") == "`nix-cache help guides/keys#rotate`"
