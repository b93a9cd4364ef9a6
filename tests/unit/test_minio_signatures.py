"""MinIO is built with the signature checks that it lacks, or not at all."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchain import minio_signatures, tools
from toolchain.errors import BuildError
from toolchain.minio_signatures import CHANGES, MODULE, Change, changed

FILES = sorted({change.file for change in CHANGES})


def upstream(file: str) -> str:
    """A file of the source: what the changes replace, between other lines."""
    parts = [change.before for change in CHANGES if change.file == file]
    return "\t// other code\n".join(["package cmd\n", *parts, "}\n"])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The module as the module cache has it: read-only files, tests and documentation too."""
    root = tmp_path / "source"
    texts = {
        **{file: upstream(file) for file in FILES},
        "go.mod": f"module {MODULE}\n",
        "main.go": "package main\n",
        "LICENSE": "AGPL\n",
        "README.md": "prose\n",
        "cmd/server_test.go": "package cmd\n",
        "cmd/testdata/object": "",
        "internal/http/headers.go": "package http\n",
        "docs/guide.md": "prose\n",
    }
    for name, text in texts.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o444)
    return root


def written(source: Path) -> Path:
    """Make the copy."""
    target = source.parent / "copy"
    minio_signatures.write(source, source.parent, target)
    return target


def alter(file: Path, before: str, after: str) -> None:
    """Change a read-only file."""
    text = file.read_text()
    assert before in text
    file.chmod(0o644)
    file.write_text(text.replace(before, after))


def damages() -> Iterator[tuple[Change, str]]:
    """Each change with ways in which upstream may differ."""
    for change in CHANGES:
        first = change.before.splitlines(keepends=True)[0]
        yield change, ""
        yield change, change.before * 2
        yield change, change.before.replace(first, first.replace("\t", "    ") + "\n")


def test_what_is_compiled_is_copied_with_every_change(source: Path) -> None:
    """Tests and prose stay behind; files without a change are the same."""
    target = written(source)

    found = {file.relative_to(target).as_posix() for file in target.rglob("*") if file.is_file()}
    assert found == {"go.mod", "main.go", "LICENSE", "internal/http/headers.go", *FILES}
    assert (target / "go.mod").read_text() == (source / "go.mod").read_text()
    for file in FILES:
        expected = (source / file).read_text()
        for change in CHANGES:
            if change.file == file:
                expected = expected.replace(change.before, change.after)
        assert (target / file).read_text() == expected != (source / file).read_text()


@pytest.mark.parametrize(("change", "instead"), list(damages()))
def test_a_source_that_differs_is_refused(source: Path, change: Change, instead: str) -> None:
    """Gone, there twice, or written in another way. The error names the file and the fix."""
    alter(source / change.file, change.before, instead)

    with pytest.raises(BuildError) as refused:
        written(source)

    assert "MinIO cannot be made safe" in str(refused.value)
    assert change.file in str(refused.value)
    assert "toolchain/modules/minio/go.mod" in str(refused.value)


@pytest.mark.parametrize("missing", [*FILES, "main.go", "internal/http/headers.go"])
def test_a_source_without_one_of_its_files_is_refused(source: Path, missing: str) -> None:
    """A file that moved is a file that nothing was changed in."""
    (source / missing).unlink()
    if missing.startswith("internal"):
        (source / "internal/http").rmdir()
        (source / "internal").rmdir()

    with pytest.raises(BuildError, match="is not there"):
        written(source)


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_made_once(change: Change) -> None:
    """Its result does not match again where the text before would, so it cannot pile up."""
    once = changed(f"{change.before}rest", change)

    assert once == f"{change.after}rest"
    assert change.before != change.after


def test_minio_is_built_with_the_copy_of_the_version_that_is_pinned() -> None:
    """The module that go.mod pins and go.sum verifies is the one that is changed."""
    minio = tools.TOOLS["minio"]

    assert minio.copy is minio_signatures.COPY
    assert minio.required(minio.copy.module) == minio.version
    assert f"{MODULE} v{minio.version} h1:" in (minio.folder / "go.sum").read_text()


def test_another_change_builds_minio_again(tmp_path: Path) -> None:
    """Else an unsafe build would stay in use."""
    minio = tools.TOOLS["minio"]
    other = tmp_path / "minio_signatures.py"
    other.write_text("changed")
    copy = dataclasses.replace(minio_signatures.COPY, code=other)

    assert tools.key(dataclasses.replace(minio, copy=copy)) != tools.key(minio)
    assert tools.key(dataclasses.replace(minio, copy=None)) != tools.key(minio)
