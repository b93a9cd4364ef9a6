"""The prose check: what it reads of a file, what it finds there, and that the project passes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bootstrap import ROOT
from tools.errors import ToolError
from tools.prose.check import Exempt, areas, check
from tools.prose.extraction import paragraphs

SOURCE = '''\
"""A module that nobody reads.

Its second paragraph is long and
is told in two lines.
"""

import os  # whoever

# A comment that goes over
# two lines is made anew.
KNOWN = {"nobody": "told"}


class StoreTold:
    def test_somebody_can_read(self, anybody: str) -> None:
        raise ValueError(
            f"the user {anybody} has a key of "
            "their own"
        )
'''

needs_vale = pytest.mark.skipif(
    shutil.which("cc") is None, reason="vale can be built only with a C compiler"
)


def violations(tmp_path: Path, name: str, text: str) -> list[str]:
    """Return what the check finds in a file with this text, without exceptions."""
    (tmp_path / name).write_text(text)
    return check(tmp_path, [tmp_path], [])


def test_texts_comments_and_names_are_read_with_their_lines(tmp_path: Path) -> None:
    """A literal without two words in a row is a key or a value, and is left out."""
    file = tmp_path / "module.py"
    file.write_text(SOURCE)

    texts = {paragraph.text: paragraph for paragraph in paragraphs(file)}

    assert "Its second paragraph is long and is told in two lines." in texts
    assert "A comment that goes over two lines is made anew." in texts
    assert "the user … has a key of their own" in texts
    assert {"store told", "test somebody can read", "anybody"} <= set(texts)
    assert not {"nobody", "told"} & set(texts)
    wrapped = texts["Its second paragraph is long and is told in two lines."]
    assert [wrapped.line(0), wrapped.line(wrapped.text.index("told"))] == [3, 4]


@needs_vale
def test_violations_name_file_line_word_and_replacement(tmp_path: Path) -> None:
    """Across lines of a text as well."""
    found = violations(tmp_path, "module.py", SOURCE)

    assert [line.split("'")[:2] for line in found] == [
        ["module.py:1: ", "nobody"],
        ["module.py:4: ", "told"],
        ["module.py:7: ", "whoever"],
        ["module.py:10: ", "anew"],
        ["module.py:14: ", "told"],
        ["module.py:15: ", "anybody"],
        ["module.py:15: ", "somebody"],
        ["module.py:17: ", "of their own"],
    ]
    assert "write 'reports', 'prints', 'returns'" in found[1]


@needs_vale
@pytest.mark.parametrize(
    ("text", "word", "replacement"),
    [
        ("Room is won by the second run.", "Room is won", "space is freed"),
        ("Who comes second is named.", "comes second", "a later …"),
        ("What spares nothing any more goes.", "spares nothing", "is unused"),
        ("`x` is no setting of this.", "is no setting", "unknown …"),
        ("It has another form here.", "has another form", "has an invalid format"),
        ("Nix 2.34.1 does not get on with B2.", "does not get on with", "is incompatible with"),
        ("A keyless writer pushes.", "keyless writer", "OIDC writer"),
        ("The description of the cache is JSON.", "description of the cache", "manifest"),
        ("A stand-in answers here.", "stand-in", "emulator"),
        ("It takes over the bucket.", "takes over", "adopt"),
    ],
)
def test_dialect_is_found_in_python_and_in_markdown(
    tmp_path: Path, text: str, word: str, replacement: str
) -> None:
    """One example of each rule."""
    for name, content in [("a.md", f"# Title\n\n{text}\n"), ("a.py", f"# {text}\n")]:
        (found,) = violations(tmp_path, name, content)
        assert f"{name}:" in found
        assert f"'{word}'" in found
        assert replacement in found
        (tmp_path / name).unlink()


@needs_vale
def test_messages_do_not_name_the_readme_and_code_is_left_alone(tmp_path: Path) -> None:
    """Markdown may link to a README; code spans and fences are no prose."""
    readme = "See [README](../README.md). `anew`\n\n```sh\necho nobody\n```\n"
    assert violations(tmp_path, "a.md", readme) == []
    (found,) = violations(tmp_path, "a.py", 'print("see the README of it", "run `anew` now")\n')
    assert "'README'" in found


@needs_vale
def test_exceptions_cover_their_words_in_their_folder_alone(tmp_path: Path) -> None:
    """One that matches nothing is reported."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.py").write_text("# nobody is told\n")
    (tmp_path / "there.py").write_text("# nobody\n")
    exempt = [Exempt("here", "nobody", "a user's name"), Exempt("here", "anew", "unused")]

    found = check(tmp_path, [tmp_path], exempt, unused_are_errors=True)

    assert [line.split("'")[1] for line in found] == ["told", "nobody", "anew"]
    assert found[-1].endswith("Remove the exception.")


@needs_vale
def test_the_checked_areas_of_the_project_follow_the_style() -> None:
    """As `make lint` checks them."""
    assert check(ROOT, areas(), unused_are_errors=True) == []


def test_missing_path_is_an_error_with_a_fix(tmp_path: Path) -> None:
    """A renamed area does not silently drop out of the check."""
    with pytest.raises(ToolError, match=r"gone does not exist\.\n  fix: Correct the path"):
        check(ROOT, [tmp_path / "gone"], [])


def test_a_machine_that_cannot_build_vale_is_announced_and_ci_fails(tmp_path: Path) -> None:
    """Here the cache folder is a file."""
    (tmp_path / "nix-cache").touch()
    for ci, code in [("", 0), ("true", 1)]:
        done = subprocess.run(
            [sys.executable, "-m", "tools.prose"],
            cwd=ROOT,
            env={"XDG_CACHE_HOME": str(tmp_path), "CI": ci},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert done.stderr.startswith("prose is not checked: the cache folder")
