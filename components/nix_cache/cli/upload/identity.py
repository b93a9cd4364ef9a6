"""With which credential a push goes."""

from nix_cache.cli.errors import ClientError
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
