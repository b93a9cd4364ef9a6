"""The steps of a GitHub workflow that pushes without a stored credential, as text. Pure."""

_CREDENTIALS_ACTION = (
    "aws-actions/configure-aws-credentials@e6de054238d6b7531b4efff3b6587d9aade6a06c # v6.2.3"
)
"""By its commit, for a tag can be moved."""


def steps(*, role_arn: str, region: str, push_url: str, fetch_key: str) -> str:
    """Return what a job adds to push what it built.

    Args:
        role_arn: the role that the job assumes by GitHub's token.
        region: the bucket's region.
        push_url: the writer's, without a profile: the action leaves the credentials in the
            environment.
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
        command = """printf '%s\\n' "$SIGNING_KEY\""""
    return "\n".join(
        [
            "# In the job: permissions: {contents: read, id-token: write}",
            f"- uses: {_CREDENTIALS_ACTION}",
            "  with:",
            f"    role-to-assume: {role_arn}",
            f"    aws-region: {region}",
            "- name: Push ./result to the cache",
            *environment,
            "  run: |",
            "    umask 077",
            f'    {command} > "$RUNNER_TEMP/signing-key"',
            f'    nix copy --to "{push_url}&secret-key=$RUNNER_TEMP/signing-key" ./result',
            '    rm "$RUNNER_TEMP/signing-key"',
            "",
        ]
    )
