"""Pulumi's CLI and MinIO are built from copies with exactly the changes named, or not at all."""

import dataclasses
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import ModuleType

import pytest

from offline import minio_signatures, minio_source, minio_trimming, pulumi_source
from offline import programs as tools
from offline.source_changes import END_OF_FILE, Change, SourceCopy, changed
from tools.errors import BuildError

COPIES = {"minio": minio_source, "pulumi": pulumi_source}
EACH_COPY = pytest.mark.parametrize("tool", COPIES)


def refusal(what: str, where: Path) -> BuildError:
    """Return an error that names what is wrong and where."""
    return BuildError(f"{where} {what}", "repair it")


def upstream(changes: list[Change]) -> str:
    """Return a file of the source: what the changes replace, between other lines."""
    text = "package upstream\n"
    for change in sorted(changes, key=lambda change: change.until == END_OF_FILE):
        text += f"\t// other code\n{change.before}"
        if change.until:
            text += "\t// replaced code\n"
        if change.until not in {"", END_OF_FILE}:
            text += change.until
    return text


def by_file(copy: SourceCopy) -> dict[str, list[Change]]:
    """Return the changes of each file."""
    ordered = sorted(copy.changes, key=attrgetter("file"))
    return {file: list(group) for file, group in groupby(ordered, attrgetter("file"))}


def write_source(module: ModuleType, root: Path) -> Path:
    """Return the module as the module cache has it: read-only, with tests and documentation."""
    copy: SourceCopy = module.SOURCE
    texts = {file: upstream(changes) for file, changes in by_file(copy).items()}
    for name in copy.left_out:
        texts[name if name.endswith(".go") else f"{name}/unwanted.go"] = "package unwanted\n"
    for name in copy.roots:
        is_file = "." in name or name.isupper()
        texts[name if is_file else f"{name}/plain.go"] = "package plain\n"
    for name in copy.added:
        texts[str(Path(name).with_name("beside.go"))] = "package beside\n"
    root_folder = next(name for name in copy.roots if name.islower() and "." not in name)
    texts[f"{root_folder}/some_test.go"] = "package plain\n"
    texts[f"{root_folder}/testdata/object"] = ""
    texts["docs/guide.md"] = "prose\n"
    for name, text in texts.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o444)
    return root


@pytest.fixture
def source(tmp_path: Path, tool: str) -> Path:
    """Provide the source of the tool's module."""
    return write_source(COPIES[tool], tmp_path / "source")


def written(tool: str, source: Path) -> Path:
    """Make the copy."""
    target = source.parent / "copy"
    COPIES[tool].write(source, source.parent, target)
    return target


def files(folder: Path) -> set[str]:
    """Return the paths of all files below a folder."""
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def alter(file: Path, before: str, after: str) -> None:
    """Change a read-only file."""
    text = file.read_text()
    assert before in text
    file.chmod(0o644)
    file.write_text(text.replace(before, after))


def damages() -> Iterator[tuple[str, Change, str, str]]:
    """Each change of each tool with ways in which upstream may differ."""
    for tool, module in COPIES.items():
        for change in module.SOURCE.changes:
            first = change.before.splitlines(keepends=True)[0]
            yield tool, change, change.before, ""
            yield tool, change, change.before, change.before * 2
            yield tool, change, first, f"altered {first[1:]}"
            if change.until not in {"", END_OF_FILE}:
                yield tool, change, change.until, ""
                yield tool, change, change.until, change.until * 2


@EACH_COPY
def test_what_is_compiled_is_copied_with_every_change(tool: str, source: Path) -> None:
    """Tests, prose and what is left out stay behind; files without a change are the same."""
    copy: SourceCopy = COPIES[tool].SOURCE

    target = written(tool, source)

    unwanted = {
        name
        for name in files(source)
        if name.startswith(("docs/", *copy.left_out)) or name.endswith(("_test.go", "object"))
    }
    assert files(target) == files(source) - unwanted | set(copy.added)
    assert len(unwanted) == 3 + len(copy.left_out)
    changes = by_file(copy)
    for name in files(source) & files(target):
        same = (target / name).read_text() == (source / name).read_text()
        assert same == (name not in changes)
        assert "replaced code" not in (target / name).read_text()
    for name, text in copy.added.items():
        assert (target / name).read_text() == text


@pytest.mark.parametrize(("tool", "change", "before", "instead"), list(damages()))
def test_a_source_that_differs_is_refused(
    tool: str, source: Path, change: Change, before: str, instead: str
) -> None:
    """Gone, there twice, or written in another way. The error names the file and the fix."""
    alter(source / change.file, before, instead)

    with pytest.raises(BuildError) as refused:
        written(tool, source)

    assert change.file in str(refused.value)
    assert f"offline/modules/{tool}/go.mod" in str(refused.value)


@EACH_COPY
def test_a_source_without_a_file_that_counts_is_refused(tool: str, tmp_path: Path) -> None:
    """A file that moved is a file that nothing was changed in, or that was not left out."""
    copy: SourceCopy = COPIES[tool].SOURCE
    needed = {*by_file(copy), *copy.left_out, *(root for root in copy.roots if root == "go.mod")}
    for number, name in enumerate(sorted(needed)):
        source = write_source(COPIES[tool], tmp_path / str(number) / "source")
        (source / name).rename(source / "moved")
        with pytest.raises(BuildError, match="is not there"):
            written(tool, source)


@EACH_COPY
def test_a_file_that_would_be_overwritten_is_refused(tool: str, source: Path) -> None:
    """Upstream may add a file of the same name."""
    name = next(iter(COPIES[tool].SOURCE.added))
    (source / name).write_text("package upstream\n")

    with pytest.raises(BuildError, match="is there already"):
        written(tool, source)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("f", "two\n", "2\n"), "one\n2\nthree\nfour\n"),
        (Change("f", "two\n", "", until="four\n"), "one\nfour\n"),
        (Change("f", "two\n", "2\n", until=END_OF_FILE), "one\n2\n"),
    ],
)
def test_a_change_replaces_what_it_names(change: Change, expected: str) -> None:
    """A text, everything up to another text, or everything to the end."""
    assert changed("one\ntwo\nthree\nfour\n", change, refusal) == expected


def test_a_change_does_not_end_before_it_begins() -> None:
    """The text at which it ends counts from its begin on."""
    change = Change("f", "two\n", "", until="one\n")
    with pytest.raises(BuildError, match="has `one` 0 times"):
        changed("one\ntwo\nthree\n", change, refusal)


@EACH_COPY
def test_a_tool_is_built_with_the_copy_of_the_version_that_is_pinned(tool: str) -> None:
    """The module that go.mod pins and go.sum verifies is the one that is changed."""
    built = tools.TOOLS[tool]

    assert built.copy is COPIES[tool].COPY
    assert built.required(built.copy.module) == built.version
    assert f"{built.copy.module} v{built.version} h1:" in (built.folder / "go.sum").read_text()


@EACH_COPY
def test_another_change_builds_the_tool_again(tool: str, tmp_path: Path) -> None:
    """Else an unsafe build would stay in use."""
    built = tools.TOOLS[tool]
    assert built.copy is not None
    keys = {tools.key(built), tools.key(dataclasses.replace(built, copy=None))}
    for number, file in enumerate(built.copy.code):
        other = tmp_path / file.name
        other.write_text("changed")
        code = (*built.copy.code[:number], other, *built.copy.code[number + 1 :])
        copy = dataclasses.replace(built.copy, code=code)
        keys.add(tools.key(dataclasses.replace(built, copy=copy)))
    assert len(keys) == 2 + len(built.copy.code)


def test_the_files_that_change_minio_are_named() -> None:
    """The signatures too: a change of them builds MinIO again."""
    named = {Path(module.__file__ or "") for module in (minio_signatures, minio_trimming)}
    assert named < set(minio_source.COPY.code)
    assert set(minio_signatures.CHANGES) < set(minio_source.SOURCE.changes)
