"""The copy of MinIO's source that is compiled: with verified signatures, and without clouds."""

from pathlib import Path

from offline import minio_signatures, minio_trimming, source_changes
from offline.module_copies import ModuleCopy
from offline.source_changes import SourceCopy
from tools.errors import BuildError

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
        "make its version in offline/modules/minio/go.mod, offline/minio_signatures.py and "
        "offline/minio_trimming.py fit together again",
    )


_CODE = (minio_signatures.__file__, minio_trimming.__file__, source_changes.__file__, __file__)
COPY = ModuleCopy(MODULE, write, tuple(map(Path, _CODE)))
"""MinIO as it is built here."""
