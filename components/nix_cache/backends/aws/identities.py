"""Who reads and writes on AWS: IAM users with a key pair, and roles for GitHub's workflows."""

import json

import pulumi
import pulumi_aws as aws

from nix_cache.backends.aws.scope import Scope
from nix_cache.backends.provisioning import Credential, OidcWriter
from nix_cache.iam.access import (
    GITHUB_AUDIENCE,
    GITHUB_ISSUER,
    PolicyDocument,
    Privilege,
    github_subject,
    github_trust_policy,
    kms_policy,
    merged,
    policy_for,
    read_secret_policy,
)
from nix_cache.writer_arguments import WriterSettings

SECRET_RECOVERY_DAYS = 7
"""For how long a deleted signing key can be had back, where the cache is protected."""


def policy(scope: Scope, privilege: Privilege) -> pulumi.Output[PolicyDocument]:
    """Return what a user can do, with the key of the bucket where it has one."""
    document = policy_for(privilege, scope.bucket, versioned=scope.aws.versioning)
    key = pulumi.Output.from_input(scope.aws.kms_key_arn)
    return key.apply(
        lambda arn: merged(document, kms_policy(privilege, arn, scope.region)) if arn else document
    )


def add_user(scope: Scope, user: str, privilege: Privilege) -> Credential:
    """Make an IAM user with its own inline policy and a key pair."""
    iam_user = aws.iam.User(
        f"{scope.name}-{user}",
        name=scope.identity(user),
        # A key pair that was made by hand besides must not keep a writer from being taken away.
        force_destroy=True,
        tags=scope.tags,
        opts=scope.options(),
    )
    aws.iam.UserPolicy(
        f"{scope.name}-{user}-{privilege}",
        user=iam_user.name,
        name=f"{scope.bucket}-{privilege}",
        policy=policy(scope, privilege).apply(json.dumps),
        opts=scope.options(),
    )
    pair = aws.iam.AccessKey(f"{scope.name}-{user}-key", user=iam_user.name, opts=scope.options())
    return Credential(accessKeyId=pair.id, secretAccessKey=pulumi.Output.secret(pair.secret))


def github_provider_arn(scope: Scope) -> pulumi.Output[str]:
    """Return the account's identity provider for GitHub: the one of the settings, or a new one."""
    known = scope.aws.github_oidc_provider_arn
    if known is not None:
        return pulumi.Output.from_input(known)
    return aws.iam.OpenIdConnectProvider(
        f"{scope.name}-github",
        url=f"https://{GITHUB_ISSUER}",
        client_id_lists=[GITHUB_AUDIENCE],
        tags=scope.tags,
        opts=scope.options(),
    ).arn


def add_oidc_writer(
    scope: Scope,
    provider_arn: pulumi.Input[str],
    writer: WriterSettings,
    signing_key: pulumi.Input[str],
) -> OidcWriter:
    """Make a role that one repository's workflows assume, from one branch or environment."""
    subject = pulumi.Output.all(
        writer.github_repository, writer.github_branch, writer.github_environment
    ).apply(lambda known: github_subject(known[0], branch=known[1], environment=known[2]))
    role = aws.iam.Role(
        f"{scope.name}-{writer.name}",
        name=scope.identity(writer.name),
        assume_role_policy=pulumi.Output.all(provider_arn, subject).apply(
            lambda known: json.dumps(github_trust_policy(*known))
        ),
        tags=scope.tags,
        opts=scope.options(),
    )
    document = policy(scope, Privilege.WRITE)
    fetch = ""
    if scope.aws.signing_key_store:
        reading, fetch = _kept_key(scope, writer.name, signing_key)
        document = pulumi.Output.all(document, reading).apply(lambda both: merged(*both))
    aws.iam.RolePolicy(
        f"{scope.name}-{writer.name}-{Privilege.WRITE}",
        role=role.name,
        name=f"{scope.bucket}-{Privilege.WRITE}",
        policy=document.apply(json.dumps),
        opts=scope.options(),
    )
    return OidcWriter(role_arn=role.arn, fetch_signing_key=fetch)


def _kept_key(
    scope: Scope, writer: str, signing_key: pulumi.Input[str]
) -> tuple[pulumi.Output[PolicyDocument], str]:
    """Keep a signing key where the writer's role finds it: who reads it, and by which command."""
    resource, name = f"{scope.name}-{writer}-signing-key", f"nix-cache/{scope.bucket}/{writer}"
    if scope.aws.signing_key_store == "parameter-store":
        parameter = aws.ssm.Parameter(
            resource,
            name=f"/{name}",
            region=scope.region,
            type="SecureString",
            value=signing_key,
            description=f"The signing key of {writer} for the Nix cache {scope.bucket}",
            tags=scope.tags,
            opts=scope.options(),
        )
        reading = parameter.arn.apply(lambda arn: read_secret_policy("ssm:GetParameter", arn))
        return reading, (
            f"aws ssm get-parameter --region {scope.region} --name /{name} "
            "--with-decryption --query Parameter.Value --output text"
        )
    secret = aws.secretsmanager.Secret(
        resource,
        name=name,
        region=scope.region,
        description=f"The signing key of {writer} for the Nix cache {scope.bucket}",
        recovery_window_in_days=SECRET_RECOVERY_DAYS if scope.cache.protect else 0,
        tags=scope.tags,
        opts=scope.options(),
    )
    aws.secretsmanager.SecretVersion(
        f"{resource}-version",
        secret_id=secret.id,
        region=scope.region,
        secret_string=signing_key,
        opts=scope.options(),
    )
    reading = secret.arn.apply(lambda arn: read_secret_policy("secretsmanager:GetSecretValue", arn))
    return reading, (
        f"aws secretsmanager get-secret-value --region {scope.region} --secret-id {name} "
        "--query SecretString --output text"
    )
