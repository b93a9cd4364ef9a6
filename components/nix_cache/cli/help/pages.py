"""The pages of the documentation that come with the package, and their sections."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

import nix_cache
from nix_cache.cli.errors import ClientError, UsageError

_PACKAGE = Path(nix_cache.__file__).parent
_FOLDERS = (_PACKAGE / "manual", _PACKAGE.parent.parent / "docs")
"""In an installed package, and in a clone of the repository."""

_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_HEADING = re.compile(r"(#{1,6}) +(.+?)(?: +#+)? *$")
_LINK_TEXT = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Heading:
    """A heading of a page.

    Attributes:
        line: the index of its line.
        level: from 1, the page's title, to 6.
        text: its Markdown.
        anchor: the name of its section in links, as GitHub and the site build it.
    """

    line: int
    level: int
    text: str
    anchor: str


@dataclass(frozen=True)
class Page:
    """A page, or a section of one.

    Attributes:
        topic: the page's path below ``docs``, without ``.md``.
        text: its Markdown.
    """

    topic: str
    text: str

    @property
    def title(self) -> str:
        """The text of the first heading; the topic if there is none."""
        return next((heading.text for heading in headings(self.text)), self.topic)


def all_pages() -> list[Page]:
    """Return the pages by topic, those of no folder first.

    Raises:
        ClientError: the package was installed without them.
    """
    for folder in _FOLDERS:
        if files := sorted(folder.rglob("*.md")):
            break
    else:
        raise ClientError(
            "this installation of nix-cache contains no documentation",
            "install the package from a package index, or from a complete clone",
        )
    pages = (
        Page(file.relative_to(folder).with_suffix("").as_posix(), file.read_text(encoding="utf-8"))
        for file in files
    )
    return sorted(pages, key=lambda page: ("/" in page.topic, page.topic))


def find(asked: str, commands: Collection[str] = ()) -> Page:
    """Return a page, or one section of it.

    Args:
        asked: the topic, or as much of its end as is unique: ``keys`` for ``guides/keys``. A
            folder is its ``index``. ``#`` and an anchor ask for one section.
        commands: names of commands, which a user may take for topics.

    Raises:
        UsageError: there is no such page or section, or there are several.
        ClientError: the package was installed without pages.
    """
    topic, _, anchor = asked.partition("#")
    topic = topic.strip("/").removeprefix("docs/").removesuffix(".md")
    pages = {page.topic: page for page in all_pages()}
    found = [name for name in (topic, f"{topic}/index") if name in pages][:1] or [
        name for name in pages if PurePosixPath(name).name == topic
    ]
    if len(found) > 1:
        raise UsageError(f"topic {asked!r} is ambiguous", f"name one of: {', '.join(found)}")
    if not found and topic in commands:
        raise UsageError(f"unknown topic {asked!r}", f"run `nix-cache {topic} --help`")
    if not found:
        raise UsageError(f"unknown topic {asked!r}", _nearest(topic, list(pages)))
    page = pages[found[0]]
    return _section(page, anchor) if anchor else page


def headings(text: str) -> Iterator[Heading]:
    """Return the headings of a page in Markdown, without what looks like one in code.

    Equal anchors are numbered: ``limits``, ``limits-1``.
    """
    fence = ""
    taken: dict[str, int] = {}
    for number, line in enumerate(text.splitlines()):
        if mark := _FENCE.match(line):
            if not fence:
                fence = mark[1]
            elif mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
        elif not fence and (match := _HEADING.fullmatch(line)):
            name = _anchor(match[2])
            count = taken[name] = taken.get(name, -1) + 1
            yield Heading(number, len(match[1]), match[2], f"{name}-{count}" if count else name)


def _anchor(heading: str) -> str:
    text = _LINK_TEXT.sub(r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def _section(page: Page, anchor: str) -> Page:
    found = list(headings(page.text))
    for heading in found:
        if heading.anchor == anchor:
            break
    else:
        names = [heading.anchor for heading in found]
        raise UsageError(
            f"page {page.topic!r} has no section {anchor!r}",
            f"name one of: {', '.join(get_close_matches(anchor, names) or names)}",
        )
    lines = page.text.splitlines(keepends=True)
    end = next(
        (h.line for h in found if h.line > heading.line and h.level <= heading.level), len(lines)
    )
    return Page(page.topic, "".join(lines[heading.line : end]).rstrip() + "\n")


def _nearest(topic: str, topics: list[str]) -> str:
    by_name = {name: name for name in topics} | {PurePosixPath(t).name: t for t in topics}
    near = get_close_matches(topic, by_name, n=1)
    listed = "run `nix-cache help` for a list"
    return f"did you mean {by_name[near[0]]!r}? If not, {listed}" if near else listed
