"""The steps of a GitHub workflow that pushes without a stored credential, as text. Pure."""

import json
import shlex

from nix_cache.formats.manifest import Manifest

_CREDENTIALS_ACTION = (
    "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3"
)
"""By its commit, for a tag can be moved."""


_PACKAGE = "nix-cache @ git+https://github.com/OWNER/REPOSITORY@v0.1.0#subdirectory=components"
"""As the guide to CI installs the client."""


def steps(*, role_arn: str, writer: str, manifest: Manifest, fetch_key: str) -> str:
    """Return what a job adds to push what it built.

    Args:
        role_arn: the role that the job assumes by GitHub's token.
        writer: as whom the job pushes. The action leaves the credential in the environment.
        manifest: the cache.
        fetch_key: the command that prints the signing key; without one, it comes from the secret
            ``NIX_CACHE_SIGNING_KEY`` of the repository.
    """
    environment = []
    command = fetch_key
    if not command:
        environment = [
            "  env:",
            "    SIGNING_KEY: ${{ secrets.NIX_CACHE_SIGNING_KEY }}",
        ]
        command = """printf '%s' "$SIGNING_KEY\""""
    return "\n".join(
        [
            "# In the job: permissions: {contents: read, id-token: write}",
            f"- uses: {_CREDENTIALS_ACTION}",
            "  with:",
            f"    role-to-assume: {role_arn}",
            f"    aws-region: {manifest.region}",
            "- name: Push ./result to the cache",
            *environment,
            "  run: |",
            "    umask 077",
            *(f"    {line}" for line in _push(writer, manifest, command)),
            "",
        ]
    )


def _push(writer: str, manifest: Manifest, key_command: str) -> list[str]:
    """Return the commands. To read a private cache takes a reader's stored credential."""
    options = "" if manifest.public else " --push-only"
    described = json.dumps(manifest.model_dump(mode="json", by_alias=True), separators=(",", ":"))
    file = '"$RUNNER_TEMP/nix-cache.json"'
    return [
        f"pipx install {shlex.quote(_PACKAGE)}",
        f"signing_key=$({key_command})",
        f"manifest={shlex.quote(described)}",
        f"""printf '{{"manifest": %s, "signingKeys": {{"{writer}": "%s"}}}}' \\""",
        f"""  "$manifest" "$signing_key" > {file}""",
        f"nix-cache use {file} --user --as {writer}{options} --yes",
        f"rm {file}",
        "nix-cache push ./result",
    ]
