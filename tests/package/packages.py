"""The files of a release: a wheel and a source distribution."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Packages:
    """What a release consists of, as files."""

    wheel: Path
    sdist: Path


def found_in(folder: Path) -> Packages:
    """Return the one wheel and the one source distribution in a folder."""
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Packages(wheel, sdist)


def build(
    source: Path, folder: Path, environment: Mapping[str, str] | None = None, umask: int = -1
) -> Packages:
    """Build both: the source distribution from a folder, and from that one the wheel."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source],
        env=environment,
        umask=umask,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return found_in(folder)
