"""File trees such as store paths hold, generated and written to disk."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st


@dataclass(frozen=True)
class File:
    """A regular file."""

    content: bytes
    executable: bool


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: bytes


@dataclass(frozen=True)
class Folder:
    """A directory: nodes by name."""

    entries: Mapping[bytes, "Node"]


Node = File | Link | Folder


def _names(most_bytes: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=1, max_size=most_bytes).filter(
        lambda name: name not in {b".", b".."} and not {0, 47} & set(name)
    )


names = (
    _names(9)
    | st.sampled_from([b"a", b"A", b"a~nix~case~hack~1", b"n" * 255, b"\xff\xfe", b"with\nline"])
    | st.text("aä日 -", min_size=1, max_size=20).map(str.encode)
)
"""Names of files, also such that are not UTF-8."""

targets = st.binary(min_size=1, max_size=300).filter(lambda target: 0 not in target)

nodes: st.SearchStrategy[Node] = st.recursive(
    st.builds(File, st.binary(max_size=400), st.booleans()) | st.builds(Link, targets),
    lambda inner: st.builds(Folder, st.dictionaries(names, inner, max_size=5)),
    max_leaves=12,
)
"""Any tree."""


def write(node: Node, path: Path) -> None:
    """Write a tree to a path that does not exist yet."""
    match node:
        case File(content, executable):
            path.write_bytes(content)
            path.chmod(0o555 if executable else 0o444)
        case Link(target):
            path.symlink_to(os.fsdecode(target))
        case Folder(entries):
            path.mkdir()
            for name, inner in entries.items():
                write(inner, path / os.fsdecode(name))
