"""Files with signing keys: whether Nix and readers can use them, and whether others can read them.

Nix reads every file that ``secret-key-files`` names when it has built something. One that is
missing or is not a secret key makes every build of the machine fail.
"""

import base64
import binascii
import os
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from nix_cache.cli.machine.regular import regular_file
from nix_cache.formats import signing

_SECRET_BYTES, _PUBLIC_BYTES = 64, 32
_LONGEST = 10_000
_NEW_KEY = "write the key that `nix key generate-secret` prints into it, and nothing else"


class Severity(Enum):
    """How bad a fault of a key file is."""

    UNUSABLE = "builds or pushes fail, or readers refuse what was signed"
    EXPOSED = "other users of this machine can sign"
    UNKNOWN = "only another user can look"


@dataclass(frozen=True)
class KeyFileFault:
    """What is wrong with a key file. No text has anything of the key.

    Attributes:
        severity: how bad it is.
        problem: what it is, naming the file.
        fix: what to do about it.
    """

    severity: Severity
    problem: str
    fix: str


def faults_of(path: Path) -> Iterator[KeyFileFault]:
    """Yield what is wrong with a file that should hold a secret key."""
    try:
        with regular_file(path) as file:
            status = os.fstat(file.fileno())
            content = file.read(_LONGEST)
    except FileNotFoundError:
        yield KeyFileFault(
            Severity.UNUSABLE,
            f"the signing key file {path} does not exist",
            "put the key back, or remove the file from secret-key-files",
        )
        return
    except PermissionError:
        yield _unreadable(path)
        return
    except OSError as failure:
        yield KeyFileFault(
            Severity.UNUSABLE,
            f"the signing key file {path} cannot be read: {failure.strerror}",
            "name a file with the key",
        )
        return
    if problem := content_problem(content):
        yield KeyFileFault(Severity.UNUSABLE, f"{path} holds no usable key: {problem}", _NEW_KEY)
    yield from _exposed(path, stat.S_IMODE(status.st_mode))


def exposure_of(path: Path) -> KeyFileFault | None:
    """Return whether other users can read a key file; None if they cannot."""
    try:
        return next(_exposed(path, stat.S_IMODE(path.stat().st_mode)), None)
    except OSError:
        return None


def content_problem(content: bytes) -> str | None:
    """Return why Nix, or readers, cannot use what a key file holds; None if they can.

    Nix takes everything before the first colon as the name, and stops at the first ``=``.
    """
    if not content.strip():
        return "it is empty"
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return "it is not text"
    name, colon, encoded = text.partition(":")
    if not colon or not name.strip():
        return "there is no name and colon before the key"
    if name != name.strip() or name.startswith("\ufeff"):
        return "a blank before or after the name is taken for a part of it, and readers refuse that"
    if any(character.isspace() for character in name):
        return "there is something else before the key"
    encoded = encoded.partition("=")[0].replace("\n", "")
    try:
        material = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return "what follows the colon is not base64"
    if len(material) == _PUBLIC_BYTES:
        return "it is a public key, and a secret one is needed"
    if len(material) != _SECRET_BYTES:
        return f"a secret key has {_SECRET_BYTES} bytes after the colon, this has {len(material)}"
    if signing.SecretKey(name, material[:_PUBLIC_BYTES]).secret_text != (
        f"{name}:{base64.b64encode(material).decode()}"
    ):
        return "its public half does not belong to its secret half"
    return None


def _unreadable(path: Path) -> KeyFileFault:
    if os.geteuid() != 0 and not _is_own(path):
        return KeyFileFault(
            Severity.UNKNOWN,
            f"the signing key file {path} is another user's",
            "run this as root",
        )
    return KeyFileFault(
        Severity.UNUSABLE,
        f"the signing key file {path} cannot be read by this user",
        f"run `chmod 600 {shlex.quote(str(path))}`, and see that its folders can be entered",
    )


def _is_own(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _exposed(path: Path, mode: int) -> Iterator[KeyFileFault]:
    if mode & 0o077:
        yield KeyFileFault(
            Severity.EXPOSED,
            f"the signing key file {path} has the mode {mode:04o}",
            f"run `chmod 600 {shlex.quote(str(path))}`",
        )
