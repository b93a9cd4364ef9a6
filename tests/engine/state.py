"""A stack's state as the file backend keeps it, read without a command of the engine.

Each of those takes the processor half a second, most of it to make a key of the passphrase.
"""

import base64
import functools
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"
"""By these the engine marks an object as a secret."""

_ITERATIONS = 1_000_000
_KEY_BYTES = 32
"""As the engine's passphrase secrets provider makes its AES key: PBKDF2 with SHA-256."""

MASK = "[secret]"


@dataclass(frozen=True)
class State:
    """The state of one stack.

    Attributes:
        file: where the file backend keeps it.
        passphrase: what its secrets are encrypted with.
    """

    file: Path
    passphrase: str = field(repr=False)

    def resources(self) -> list[dict[str, Any]]:
        """All resources as they are kept, secrets encrypted."""
        found: list[dict[str, Any]] = self._latest().get("resources") or []
        return found

    def resources_in_clear(self) -> list[dict[str, Any]]:
        """All resources, with their secrets as plain values."""
        found: list[dict[str, Any]] = self._revealed(self.resources())
        return found

    def outputs(self, *, secrets: bool) -> dict[str, Any]:
        """Return the stack's outputs.

        Args:
            secrets: whether secret ones come in clear; else they are masked.
        """
        roots = [r for r in self.resources() if r["type"] == "pulumi:pulumi:Stack"]
        kept = roots[0].get("outputs", {}) if roots else {}
        shown: dict[str, Any] = self._revealed(kept) if secrets else _masked(kept)
        return shown

    def _latest(self) -> dict[str, Any]:
        latest: dict[str, Any] = json.loads(self.file.read_text())["checkpoint"].get("latest") or {}
        return latest

    def _revealed(self, value: Any) -> Any:
        if isinstance(value, dict):
            if value.get(_SIGNATURE) == _SECRET:
                return self._revealed(json.loads(self._decrypted(value["ciphertext"])))
            return {key: self._revealed(item) for key, item in value.items()}
        return [self._revealed(item) for item in value] if isinstance(value, list) else value

    def _decrypted(self, ciphertext: str) -> bytes:
        _, salt, _ = self._latest()["secrets_providers"]["state"]["salt"].split(":", 2)
        version, nonce, encrypted = ciphertext.split(":")
        assert version == "v1"
        key = _key(self.passphrase, salt)
        return AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(encrypted), None)


@functools.cache
def _key(passphrase: str, salt: str) -> bytes:
    return hashlib.pbkdf2_hmac(
        "sha256", passphrase.encode(), base64.b64decode(salt), _ITERATIONS, _KEY_BYTES
    )


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_SIGNATURE) == _SECRET:
            return MASK
        return {key: _masked(item) for key, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
