"""What the program needs first: the service, and the key pair that administers it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nix_cache.backends.s3.login import CONNECTION_FILE, connection, missing
from nix_cache.backends.spec import Completion
from nix_cache.config.problems import Problem

_UNKNOWN = "https://unknown.invalid"
"""Stands for the endpoint that a connection file would have, where the file cannot be used."""


def complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    """Fill in the service that a connection file names; report a missing key pair.

    Args:
        settings: the object ``nix-cache:s3`` as written.
        configured: all of the stack's configuration.
    """
    completed = dict(settings)
    problems: list[Problem] = []
    if path := str(completed.pop(CONNECTION_FILE, "") or ""):
        try:
            known = connection(path)
        except (OSError, ValueError) as error:
            known = dict.fromkeys(("endpoint", "iamEndpoint"), _UNKNOWN)
            problems.append(_unusable(path, error))
        completed.setdefault("endpoint", known["endpoint"])
        if known["iamEndpoint"] and not completed.get("accessKeys"):
            completed.setdefault("iamEndpoint", known["iamEndpoint"])
    return Completion(
        settings=completed,
        problems=[
            *problems,
            *(
                Problem(
                    "s3",
                    "",
                    f"needs the key pair that administers the service: {setting} is not set",
                    f"run `pulumi config set --secret {setting}`, or set the variable {variable}",
                )
                for setting, variable in missing(configured.get)
            ),
        ],
    )


def _unusable(path: str, error: OSError | ValueError) -> Problem:
    key = f"s3.{CONNECTION_FILE}"
    if not isinstance(error, FileNotFoundError):
        fix = 'write a JSON object: {"endpoint": …, "accessKeyId": …, "secretAccessKey": …}'
        return Problem(key, repr(path), f"cannot be used ({error})", fix)
    is_local = Path(path).parts[-3:] == (".dev", "seaweedfs", "connection.json")
    by_make = ", or run `make up BACKEND=s3`, which writes the file of the local server"
    return Problem(
        key, repr(path), "does not exist", f"name a file that exists{by_make if is_local else ''}"
    )
