"""What is asked of AWS before anything is made: whose account, which bucket, which provider.

The questions go through the provider that will make the resources, whatever it is set up with.
"""

import re

import pulumi
import pulumi_aws as aws
from pulumi.output import Unknown

from nix_cache import docs
from nix_cache.arguments import CacheSettings
from nix_cache.backends.aws.settings import AwsSettings, log_bucket_name
from nix_cache.backends.claimants import bucket_contested, contested
from nix_cache.backends.granted import granted
from nix_cache.config.setting import is_output
from nix_cache.dynamic.name_reservation import NameReservation, aliases_of_claim
from nix_cache.iam.access import GITHUB_ISSUER
from nix_cache.shown import shown

_MISSING = re.compile(r"couldn't find resource|empty result|NotFound|NoSuchEntity|StatusCode: 404")
_ELSEWHERE = re.compile(r"StatusCode: 301|MovedPermanently|PermanentRedirect|BucketRegionError")
_FOREIGN = re.compile(r"StatusCode: 403|Forbidden|AccessDenied")

_NOT_ACCEPTED = (
    "AWS does not accept the credentials",
    "log in again, or correct AWS_PROFILE, aws:profile or the key pair in the environment",
)
_OTHER_ACCOUNT = "log in to that account, or correct aws.accountId"

_FIXES = (
    (
        re.compile(r"[Nn]o valid credential sources|failed to refresh cached credentials"),
        "there are no credentials for AWS",
        "log in with `aws sso login`, or set AWS_PROFILE or aws:profile",
    ),
    (
        re.compile(r"InvalidClientTokenId|ExpiredToken|InvalidAccessKeyId|SignatureDoesNotMatch"),
        *_NOT_ACCEPTED,
    ),
    (
        re.compile(r"[Mm]issing [Rr]egion|[Ii]nvalid AWS Region|must specify a region"),
        "the AWS provider has no region that there is",
        "pulumi config set aws:region eu-central-1",
    ),
)
"""What the provider says when it cannot ask at all, what that means, and what to do."""


def reservations(
    settings: CacheSettings, aws_settings: AwsSettings, name: str, parent: pulumi.Resource
) -> pulumi.Output[list[NameReservation]]:
    """Reservations of the cache's names, for ``depends_on`` of what bears them.

    Raises:
        pulumi.RunError: AWS cannot be asked, or the account is not the one that is meant.
    """
    asking = pulumi.InvokeOptions(parent=parent)
    account = _checked_account(aws_settings, asking)
    taken = _bucket_taken(settings.bucket, aws_settings, asking)
    reserved = [_reservation(f"{name}-names", settings.bucket, taken, settings, name, parent)]
    among_caches: list[pulumi.Input[str]] = [bucket_contested(settings.bucket, "aws", name)]
    if aws_settings.access_logs is not None:
        logs = log_bucket_name(settings.bucket)
        taken = _bucket_taken(logs, aws_settings, asking)
        reserved.append(_reservation(f"{name}-names-logs", logs, taken, settings, name, parent))
        among_caches.append(bucket_contested(logs, "aws", name))
    if _makes_github_provider(settings, aws_settings):
        taken = _github_taken(asking)
        reserved.append(
            _reservation(f"{name}-names-github", GITHUB_ISSUER, taken, settings, name, parent)
        )
        if account:
            among_caches.append(_github_contested(account, name))
    of_values: list[pulumi.Input[str]] = []
    if account and aws_settings.account_id is not None:
        of_values.append(_account_problem(account, aws_settings.account_id))
    return granted(settings, reserved, among_caches, of_values)


def _reservation(
    resource_name: str,
    name: str,
    taken: str,
    settings: CacheSettings,
    cache: str,
    parent: pulumi.Resource,
) -> NameReservation:
    former = aliases_of_claim(f"{cache}-claim-{name}", "Claim")
    return NameReservation(
        resource_name,
        settings,
        {"name": name, "taken": taken},
        opts=pulumi.ResourceOptions(parent=parent, aliases=former),
    )


def explained(said: str) -> str | None:
    """Return the provider's error as a problem and its fix; None for an unknown error."""
    for pattern, mistake, fix in _FIXES:
        if pattern.search(said):
            return _sentence(mistake, fix)
    return None


def _sentence(mistake: str, fix: str) -> str:
    return f"{mistake}\n  fix: {fix}\nNothing was changed."


def _checked_account(settings: AwsSettings, asking: pulumi.InvokeOptions) -> str:
    """Return the account's number; empty in the first preview of a provider to be created."""
    try:
        account = aws.get_caller_identity(opts=asking).account_id
    except Exception as error:  # the engine has one kind of error for all of them
        said = str(error)
        if explained(said) is None and "StatusCode: 403" in said:
            # Each valid credential may ask for its identity, so a refused one is invalid.
            raise pulumi.RunError(_sentence(*_NOT_ACCEPTED)) from None
        raise pulumi.RunError(explained(said) or shown(said, lines=True)) from None
    expected = settings.account_id
    if expected is not None and not is_output(expected) and account and account != expected:
        raise pulumi.RunError(
            _sentence(
                f"the credentials belong to the AWS account {account}, but the cache's is "
                f"{expected}",
                _OTHER_ACCOUNT,
            )
        )
    return account or ""


def _account_problem(account: str, expected: pulumi.Input[str]) -> pulumi.Output[str]:
    """Why the credentials' account is not the one that an Output names; empty if it is."""

    def problem(known: object) -> str:
        if isinstance(known, Unknown) or known == account:
            return ""
        # The value is not shown: it may be a secret.
        return (
            f"the credentials belong to the AWS account {account}, and aws.accountId is another "
            f"one\n  fix: {_OTHER_ACCOUNT}"
        )

    return pulumi.Output.from_input(expected).apply(problem, run_with_unknowns=True)


def _bucket_taken(bucket: str, settings: AwsSettings, asking: pulumi.InvokeOptions) -> str:
    try:
        found = aws.s3.get_bucket(bucket=bucket, region=settings.region, opts=asking)
    except Exception as error:
        said = str(error)
        if _MISSING.search(said):
            return ""
        if _ELSEWHERE.search(said):
            return f"the bucket {bucket!r} exists already in another region: {_ADVICE}"
        if _FOREIGN.search(said):
            return f"the bucket {bucket!r} exists already and belongs to another account: {_ADVICE}"
        raise pulumi.RunError(explained(said) or shown(said, lines=True)) from None
    if not found or not found.id:
        return ""  # the provider is yet to be made
    return f"the bucket {bucket!r} exists already in this account: {_ADVICE}"


_ADVICE = (
    "choose another name, which must be unique among all users of S3, or adopt the bucket: see "
    f"{docs.page('operations/adoption')}"
)


def _makes_github_provider(settings: CacheSettings, aws_settings: AwsSettings) -> bool:
    has_oidc_writers = any(writer.is_oidc for writer in settings.writers)
    return has_oidc_writers and aws_settings.github_oidc_provider_arn is None


def _github_contested(account: str, owner: str) -> str:
    return contested(
        f"the identity provider for GitHub of the account {account}",
        (account, GITHUB_ISSUER),
        owner,
        "an account can have no second, so make it outside of both and set "
        "aws.githubOidcProviderArn to its ARN",
    )


def _github_taken(asking: pulumi.InvokeOptions) -> str:
    try:
        found = aws.iam.get_open_id_connect_provider(url=f"https://{GITHUB_ISSUER}", opts=asking)
    except Exception as error:
        said = str(error)
        if _MISSING.search(said) or "finding IAM OIDC Provider" in said:
            return ""
        raise pulumi.RunError(explained(said) or shown(said, lines=True)) from None
    if not found or not found.arn:
        return ""
    return (
        "the account has its identity provider for GitHub already, and can have no second: set "
        f"aws.githubOidcProviderArn to {found.arn}"
    )
