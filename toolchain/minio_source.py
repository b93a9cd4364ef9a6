"""The copy of MinIO's source that is compiled: with verified signatures, and without clouds."""

from pathlib import Path

from toolchain import minio_signatures, minio_trimming, source_changes
from toolchain.errors import BuildError
from toolchain.module_copies import ModuleCopy
from toolchain.source_changes import SourceCopy

MODULE = "github.com/minio/minio"

SOURCE = SourceCopy(
    (*minio_signatures.CHANGES, *minio_trimming.CHANGES),
    ("go.mod", "main.go", "LICENSE", "cmd", "internal"),
    minio_trimming.LEFT_OUT,
    minio_trimming.ADDED,
)
"""What is compiled of the module."""


def write(source: Path, folder: Path, target: Path) -> None:
    """Copy what is compiled of MinIO, with all changes.

    Args:
        source: the module as the module proxy serves it.
        folder: the tool's own Go module; not needed here.
        target: a folder that does not exist yet.

    Raises:
        BuildError: the source does not have exactly what the changes replace.
        OSError: the copy cannot be written.
    """
    SOURCE.write(source, target, _unexpected)


def _unexpected(what: str, where: Path) -> BuildError:
    return BuildError(
        f"MinIO's source cannot be changed: {where} {what}",
        "make its version in toolchain/modules/minio/go.mod, toolchain/minio_signatures.py and "
        "toolchain/minio_trimming.py fit together again",
    )


_CODE = (minio_signatures.__file__, minio_trimming.__file__, source_changes.__file__, __file__)
COPY = ModuleCopy(MODULE, write, tuple(map(Path, _CODE)))
"""MinIO as it is built here."""
