"""Changed copies of Go modules, in whose place a tool is built.

The copy is made from the module as the module proxy serves it, after Go has verified it by go.sum.
A `replace` in a separate go.mod puts it in its place: Go's option `-overlay` refuses files of the
module cache.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.errors import BuildError


@dataclass(frozen=True)
class ModuleCopy:
    """How one module is changed before a tool is built with it.

    Attributes:
        module: the path of the Go module.
        write: writes the copy. It gets the module's source, the folder of the tool's own Go module
            and the folder to make. It raises BuildError if the source is not as expected.
        code: the files that do that; the tool is built again when one of them changes.
    """

    module: str
    write: Callable[[Path, Path, Path], None]
    code: tuple[Path, ...]

    def replace(self, source: Path, folder: Path, work: Path) -> Path:
        """Write the copy, and a go.mod that names it.

        Args:
            source: the module as the module proxy serves it.
            folder: the tool's own Go module.
            work: where the copy and the go.mod go.

        Returns:
            a go.mod for Go's option `-modfile`, with its go.sum beside it.

        Raises:
            BuildError: the source is not as expected.
            OSError: the copy cannot be written.
        """
        copy = work / "copy"
        self.write(source, folder, copy)
        modfile = work / "copy.mod"
        replacement = f"\nreplace {self.module} => {json.dumps(str(copy))}\n"
        modfile.write_text((folder / "go.mod").read_text() + replacement)
        shutil.copyfile(folder / "go.sum", modfile.with_suffix(".sum"))
        return modfile


def rewrite(
    file: Path, change: Callable[[str], str], unexpected: Callable[[str, Path], BuildError]
) -> None:
    """Change a file of a copy.

    Args:
        file: the file; the module cache gives it out read-only.
        change: makes the new text from the old one.
        unexpected: makes the error from what is wrong and where.

    Raises:
        BuildError: the file is missing.
    """
    try:
        before = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise unexpected("is not there", file) from error
    file.chmod(0o644)
    file.write_text(change(before), encoding="utf-8")
