"""The real Nix pushes to a cache and pulls from it, if this machine has one that can."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nix_cache.cli.nix.program import NIX, ask, version
from nix_cache.cli.nix.versions import spelled


def why_not(least: tuple[int, int, int]) -> str:
    """Return why this machine's Nix cannot be used; empty if it can."""
    if shutil.which("nix") is None:
        return "no nix was found on PATH"
    found = version()
    if found is None:
        return "the nix on PATH is of an unknown version"
    if found.of_nix is not None and found.of_nix < least:
        return f"{found.name}, the nix on PATH, is older than {spelled(least)}"
    return ""


def round_trip(outputs: Mapping[str, Any]) -> None:
    """Push a small store path as the writer, and pull it into an empty store by the read URL.

    Args:
        outputs: the stack's outputs, secrets in clear.

    Raises:
        ClientError: Nix failed; the error has its output.
    """
    cache = outputs["manifest"]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "credentials").touch(0o600)
        (place / "credentials").write_text(
            "".join(
                f"[{cache['profiles'][user]}]\n"
                f"aws_access_key_id = {pair['accessKeyId']}\n"
                f"aws_secret_access_key = {pair['secretAccessKey']}\n"
                for user, pair in outputs["credentials"].items()
            )
        )
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_SHARED_CREDENTIALS_FILE": str(place / "credentials"),
        }
        (place / "nix-cache-verify").write_text(os.urandom(16).hex())
        path = ask(["nix-store", "--add", str(place / "nix-cache-verify")], environment).strip()
        push_url = next(iter(cache["pushUrls"].values()))
        ask([*NIX, "copy", "--to", push_url, path], environment)
        store = f"local?root={place / 'store'}"
        ask([*NIX, "copy", "--from", cache["readUrl"], "--to", store, path], environment)
