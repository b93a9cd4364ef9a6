"""Nix's keys as text, read and tried without the project's own code."""

import base64

from nacl.signing import SigningKey, VerifyKey


def new_secret_key(name: str) -> str:
    """Return a new key as `nix key generate-secret` prints it."""
    key = SigningKey.generate()
    return f"{name}:{base64.b64encode(bytes(key) + bytes(key.verify_key)).decode()}"


def public_half(secret_key: str) -> str:
    """Return what `nix key convert-secret-to-public` prints for a secret key."""
    name, _, encoded = secret_key.partition(":")
    return f"{name}:{base64.b64encode(base64.b64decode(encoded)[32:]).decode()}"


def names(keys: list[str]) -> list[str]:
    """Return the names of keys, in their order."""
    return [key.partition(":")[0] for key in keys]


def verifies(secret_key: str, public_key: str) -> bool:
    """Return whether what is signed with the one is accepted with the other, under one name.

    Raises:
        nacl.exceptions.BadSignatureError: the keys do not belong together.
    """
    message = b"1;/nix/store/0123456789abcdfghijklmnpqrsvwxyz-hello;sha256:0;1;"
    secret_name, _, secret = secret_key.partition(":")
    public_name, _, public = public_key.partition(":")
    seed = base64.b64decode(secret, validate=True)[:32]
    signature = SigningKey(seed).sign(message).signature
    VerifyKey(base64.b64decode(public, validate=True)).verify(message, signature)
    return secret_name == public_name and public_half(secret_key) == public_key
