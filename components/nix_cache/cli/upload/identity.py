"""With which credential a push goes."""

import functools
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import console
from nix_cache.cli.nix.key_files import exposure_of
from nix_cache.cli.s3.credentials import Identity, aws_files, find
from nix_cache.cli.upload.writer import Writer


def identify(writer: Writer) -> Identity:
    """Find a writer's credential: their profile, or where that is missing, the environment's.

    Raises:
        ClientError: there is neither.
        NoCredentialError: it cannot be had.
    """
    found = find(writer.profile, writer.record.credentials_file)
    if found is not None:
        return found
    if not writer.profile:
        raise ClientError(
            f"{writer.name} has no stored credential, and there is none in the environment",
            "push from the workflow that the stack's output `githubActions` is for",
        )
    raise ClientError(
        f"there is no credential of {writer.name}: no profile {writer.profile} with a credential "
        f"in {aws_files()[0]}, and none in the environment",
        f"run `{writer.record.use_command('--as', writer.name)}` with the stack's secrets",
    )


@functools.cache
def warn_if_exposed(file: Path | None) -> None:
    """Report once that others can read a signing key.

    Args:
        file: with the key; None if there is none.
    """
    if file is not None and (fault := exposure_of(file)) is not None:
        console.note(f"WARNING: {fault.problem}, so other users can sign; {fault.fix}.")
