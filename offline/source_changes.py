"""Copies the source of a Go module with changes, each of which fits the source exactly.

The source is what the module proxy serves, verified by go.sum. Where it is not as a change expects,
nothing is built.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from offline.module_copies import rewrite
from tools.errors import BuildError

Unexpected = Callable[[str, Path], BuildError]
"""Makes the error from what is wrong and where."""

END_OF_FILE = "end of the file"
"""As a change's `until`: everything from `before` on is replaced."""

_NOT_COMPILED = ("*_test.go", "testdata")


@dataclass(frozen=True)
class Change:
    """One change of a file.

    Attributes:
        file: its path in the module.
        before: what is replaced; the file has it exactly once.
        after: what is put in its place.
        until: where it is given, everything from `before` up to this text is replaced. The file has
            this text exactly once after `before`, and it stays.
            Or it is `END_OF_FILE`.
    """

    file: str
    before: str
    after: str
    until: str = ""


@dataclass(frozen=True)
class SourceCopy:
    """What a copy has of a module.

    Attributes:
        changes: the changes of its files.
        roots: the folders and files that are copied.
        left_out: paths of folders and files below the roots that are not copied.
        added: the texts of new files, by their paths.
    """

    changes: Sequence[Change]
    roots: Sequence[str]
    left_out: Sequence[str] = ()
    added: dict[str, str] = field(default_factory=dict)

    def write(self, source: Path, target: Path, unexpected: Unexpected) -> None:
        """Write the copy.

        Args:
            source: the module as the module proxy serves it.
            target: a folder that does not exist yet.
            unexpected: makes the error if the source is not as expected.

        Raises:
            BuildError: the source does not have exactly what the copy leaves out or changes.
            OSError: the copy cannot be written.
        """
        unwanted = {source / path for path in self.left_out}
        for path in unwanted:
            if not path.exists():
                raise unexpected("is not there", path)

        def ignored(folder: str, names: list[str]) -> set[str]:
            here = {name for name in names if Path(folder) / name in unwanted}
            return here | shutil.ignore_patterns(*_NOT_COMPILED)(folder, names)

        target.mkdir(parents=True)
        for root in self.roots:
            if (source / root).is_dir():
                shutil.copytree(source / root, target / root, ignore=ignored)
            elif (source / root).is_file():
                shutil.copy2(source / root, target / root)
            else:
                raise unexpected("is not there", source / root)
        for change in self.changes:
            rewrite(
                target / change.file,
                partial(changed, change=change, unexpected=unexpected),
                unexpected,
            )
        for name, text in self.added.items():
            file = target / name
            if file.exists():
                raise unexpected("is there already", file)
            if not file.parent.is_dir():
                raise unexpected("is not there", file.parent)
            file.write_text(text, encoding="utf-8")


def changed(text: str, change: Change, unexpected: Unexpected) -> str:
    """Apply one change to the text of its file; raises BuildError."""
    where = Path(change.file)
    _once(text, change.before, where, unexpected)
    head, _, tail = text.partition(change.before)
    if change.until == END_OF_FILE:
        tail = ""
    elif change.until:
        _once(tail, change.until, where, unexpected)
        _, _, rest = tail.partition(change.until)
        tail = change.until + rest
    return head + change.after + tail


def _once(text: str, wanted: str, where: Path, unexpected: Unexpected) -> None:
    count = text.count(wanted)
    if count != 1:
        raise unexpected(f"has `{' '.join(wanted.split())}` {count} times, not once", where)
