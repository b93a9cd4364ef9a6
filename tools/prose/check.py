"""Runs vale on the prose of files, and maps what it finds to lines of the sources."""

import json
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline import builds
from tools.bootstrap import ROOT, cache_folder
from tools.errors import ToolError
from tools.prose.extraction import Paragraph, paragraphs

FOLDER = Path(__file__).parent
SUFFIXES = frozenset({".go", ".md", ".nix", ".py", ".sh"})
VALE_SECONDS = 120


@dataclass(frozen=True)
class Found:
    """A match of a rule, in a file given from the root of the project."""

    file: str
    line: int
    match: str
    message: str

    def __str__(self) -> str:
        """Give file, line, the words and the replacement."""
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Exempt:
    """Words that stay in a file or folder, and why."""

    path: str
    words: str
    reason: str

    def covers(self, found: Found) -> bool:
        """Return whether the match is in this place and has these words."""
        inside = found.file == self.path or found.file.startswith(self.path + "/")
        return inside and self.words in {"*", found.match.lower()}


def areas() -> list[Path]:
    """Return the files and folders that are checked by default."""
    lines = (FOLDER / "areas.txt").read_text(encoding="utf-8").splitlines()
    return [ROOT / line.strip() for line in lines if line.strip() and not line.startswith("#")]


def exceptions() -> list[Exempt]:
    """Return the exceptions of `exceptions.toml`."""
    parsed = tomllib.loads((FOLDER / "exceptions.toml").read_text(encoding="utf-8"))
    return [Exempt(**entry) for entry in parsed.get("exception", [])]


def check(
    root: Path,
    paths: Sequence[Path],
    exempt: Sequence[Exempt] | None = None,
    *,
    unused_are_errors: bool = False,
) -> list[str]:
    """Return one line for each violation of the style, in the order of files and lines.

    Args:
        root: the folder from which files are named.
        paths: files and folders to check.
        exempt: exceptions, or None for those of the project.
        unused_are_errors: whether an exception that matches nothing is a violation.

    Raises:
        BuildError: vale can neither be found nor built.
        ToolError: a path is missing, or vale failed.
    """
    exempt = exceptions() if exempt is None else exempt
    used: set[Exempt] = set()
    lines = []
    for found in sorted(_found(root, list(_files(paths))), key=lambda f: (f.file, f.line, f.match)):
        matching = [entry for entry in exempt if entry.covers(found)]
        used.update(matching)
        if not matching:
            lines.append(str(found))
    if unused_are_errors:
        lines += [
            f"tools/prose/exceptions.toml: '{entry.words}' in {entry.path} matches nothing. "
            "Remove the exception."
            for entry in exempt
            if entry not in used
        ]
    return lines


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.exists():
            raise ToolError(f"{path} does not exist.", "Correct the path in areas.txt.")
        inside = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (
            file for file in inside if file.suffix in SUFFIXES and "__pycache__" not in file.parts
        )


def _found(root: Path, files: Sequence[Path]) -> Iterator[Found]:
    vale = builds.ensure(["vale"], cache_folder())["vale"]
    with tempfile.TemporaryDirectory(prefix="nix-cache-prose-") as scratch:
        sources: dict[str, tuple[Path, list[Paragraph] | None]] = {}
        for number, file in enumerate(files):
            # By its end, vale.ini knows how a file is to be read and which rules hold.
            top = file.relative_to(root).parts[0]
            suffix = ".md" if file.suffix == ".md" else ".txt"
            text = Path(scratch) / f"{number}-{top}{suffix}"
            if file.suffix == ".md":
                sources[text.name] = file, None
                text.write_bytes(file.read_bytes())
            else:
                prose = paragraphs(file)
                sources[text.name] = file, prose
                # An empty line ends a text, so that no match goes across two of them.
                content = "".join(f"{paragraph.text}\n\n" for paragraph in prose)
                text.write_text(content, encoding="utf-8", errors="replace")
        for name, alerts in _alerts(vale, Path(scratch)).items():
            file, known = sources[Path(name).name]
            for alert in alerts:
                line, column = alert["Line"], alert["Span"][0] - 1
                if known is not None:
                    line = known[line // 2].line(column)
                where = file.relative_to(root).as_posix()
                yield Found(where, line, " ".join(alert["Match"].split()), alert["Message"])


def _alerts(vale: Path, folder: Path) -> dict[str, list[dict[str, Any]]]:
    options = [f"--config={FOLDER / 'vale.ini'}", "--output=JSON", "--no-exit"]
    command: list[str | Path] = [vale, *options, folder]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=VALE_SECONDS
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        raise ToolError(f"vale failed: {said}", "Correct the rule that vale names.")
    alerts: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return alerts
