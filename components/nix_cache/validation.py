"""The whole check of a cache's settings: every mistake at once, before anything is made. Pure.

The same check serves the program, whose keys are camelCase, and the component, whose arguments are
snake_case. Nothing else in the package doubts a value again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from nix_cache import signing
from nix_cache.backends import BACKENDS
from nix_cache.iam.lifecycle import expiry_rules
from nix_cache.problems import Problem, SettingsError, problems_of
from nix_cache.settings import CacheSettings


def check(raw: Mapping[str, Any], *, prefix: str = "", snake_case: bool = False) -> CacheSettings:
    """Check every setting and give back the cache that they describe.

    Args:
        raw: the settings as written, under camelCase or snake_case keys. None counts as absent.
        prefix: what a message puts before each key, such as ``nix-cache:``.
        snake_case: whether a message spells keys in snake_case, as Python arguments are.

    Raises:
        SettingsError: with every mistake that there is.
    """
    written = {key: value for key, value in raw.items() if value is not None}
    problems: list[Problem] = []
    doubtful: set[str] = set()
    try:
        settings = CacheSettings.model_validate(written)
    except ValidationError as error:
        problems += problems_of(error, CacheSettings)
        doubtful = {to_camel(str(entry["loc"][0])) for entry in error.errors()}
        rest = {key: value for key, value in written.items() if to_camel(key) not in doubtful}
        settings = CacheSettings.model_validate({"domain": "unknown.invalid", **rest})
    for fields, contradictions in _CONTRADICTIONS:
        if not doubtful & set(fields):
            problems += contradictions(settings)
    if problems:
        raise SettingsError(problems, prefix=prefix, snake_case=snake_case)
    return settings


def _settings_of_the_backend(cache: CacheSettings) -> Iterator[Problem]:
    for backend in BACKENDS:
        given = getattr(cache, backend) is not None
        if backend == cache.backend and not given:
            fix = CacheSettings.model_fields[backend].description or ""
            yield Problem(backend, "", f"is missing for the backend {backend}", fix)
        if backend != cache.backend and given:
            yield Problem(
                backend,
                "",
                f"is there, but the backend is {cache.backend}",
                f"backend: {backend}, or take the settings of {backend} away",
            )


def _names_used_twice(cache: CacheSettings) -> Iterator[Problem]:
    names = Counter([*(writer.name for writer in cache.writers), *cache.reader_names])
    for name in (name for name, uses in names.items() if uses > 1):
        yield Problem(
            "writers, readers",
            name,
            "names more than one writer or reader",
            "a name of its own for each, as each has a credential of its own",
        )


def _keys_of_one_name(cache: CacheSettings) -> Iterator[Problem]:
    live = Counter(_live_key_names(cache))
    retired = Counter(signing.parse_public_key(key) for key in cache.retired_public_keys)
    for name in (name for name, uses in live.items() if uses > 1):
        yield Problem("writers", name, "is the signing key of two", "a key of its own for each")
    for name, uses in retired.items():
        if name in live:
            yield Problem(
                "retiredPublicKeys",
                name,
                "is also a key in use",
                "only keys that no writer has any more",
            )
        elif uses > 1:
            yield Problem("retiredPublicKeys", name, "is there twice", "each key once")


def _live_key_names(cache: CacheSettings) -> Iterator[str]:
    for writer in cache.writers:
        for generation in writer.kept_generations:
            brought_in = writer.signing_key if generation == writer.generation else None
            if isinstance(brought_in, str):
                yield signing.parse_secret_key(brought_in).name
            else:
                yield cache.key_name(writer, generation)


def _keyless_writers(cache: CacheSettings) -> Iterator[Problem]:
    for index, writer in enumerate(cache.writers):
        key = f"writers[{index}]"
        refs = [writer.github_branch, writer.github_environment]
        if not writer.is_keyless:
            if any(refs):
                yield Problem(
                    f"{key}.githubRepository",
                    "",
                    "is missing, so the branch or the environment means nothing",
                    "OWNER/NAME of the repository",
                )
        elif not BACKENDS[cache.backend].has_keyless_writers:
            yield Problem(
                f"{key}.githubRepository",
                repr(writer.github_repository),
                f"needs the backend aws: with {cache.backend}, nobody can push without a key",
                "take it away; the writer gets a credential of its own",
            )
        elif len([ref for ref in refs if ref]) != 1:
            yield Problem(
                key,
                repr(writer.name),
                "may push from workflows, but not exactly one of branch and environment is named",
                "githubBranch or githubEnvironment, whichever of the two GitHub protects for you",
            )


def _behind_cloudfront(cache: CacheSettings) -> Iterator[Problem]:
    aws = cache.aws
    if aws is None:
        return
    cdn = aws.cloudfront
    if cdn is None:
        if cache.public and aws.kms_key_arn:
            yield Problem(
                "aws.kmsKeyArn",
                "",
                "cannot be used with public: nobody decrypts what they read without signing",
                "take it away, put CloudFront before the bucket, or make the cache private",
            )
        return
    if not cache.public:
        yield Problem(
            "aws.cloudfront",
            "",
            "makes the cache readable by anybody, but public is false",
            "public: true, or take it away",
        )
    if cdn.domain_name and not (cdn.certificate_arn or cdn.hosted_zone_id):
        yield Problem(
            "aws.cloudfront.domainName",
            repr(cdn.domain_name),
            "has neither a certificate nor a zone to prove that it is yours",
            "certificateArn, or hostedZoneId, or both",
        )
    if not cdn.domain_name and (cdn.certificate_arn or cdn.hosted_zone_id):
        yield Problem(
            "aws.cloudfront.domainName",
            "",
            "is missing, so the certificate or the zone is of no use",
            "the host name that the cache is to have",
        )


_IAM_NAME_LENGTH = 64
"""The longest name of an IAM user or role."""


def _names_too_long_for_iam(cache: CacheSettings) -> Iterator[Problem]:
    if cache.backend != "aws":
        return
    for name in [*(writer.name for writer in cache.writers), *cache.reader_names]:
        full = f"{cache.bucket}-{name}"
        if len(full) > _IAM_NAME_LENGTH:
            yield Problem(
                "bucket, writers, readers",
                repr(full),
                f"is longer than the {_IAM_NAME_LENGTH} characters that a name has in IAM",
                "a shorter name for the bucket, or for the writer or reader",
            )


def _watched_without_words(cache: CacheSettings) -> Iterator[Problem]:
    watched = cache.aws.monitoring if cache.aws else None
    if watched is None:
        return
    if (watched.monthly_budget_usd is None) != (not watched.budget_emails):
        yield Problem(
            "aws.monitoring",
            "",
            "has a budget or those whom it warns, but not both",
            "monthlyBudgetUsd and budgetEmails",
        )


def _readers_of_a_public_space(cache: CacheSettings) -> Iterator[Problem]:
    if cache.public and cache.readers and not BACKENDS[cache.backend].has_readers_in_public:
        yield Problem(
            "readers",
            f"(a list of {len(cache.readers)})",
            "cannot be had with public on Spaces, where a bucket has either a policy that lets "
            "anybody read or keys that are limited to it",
            "public: false, where each reader and writer has a limited key, or no readers, where "
            "anybody reads and each writer has a key to all Spaces of the account",
        )


def _cdn_before_a_space(cache: CacheSettings) -> Iterator[Problem]:
    cdn = cache.spaces.cdn if cache.spaces else None
    if cdn is None:
        return
    if not cache.public:
        yield Problem(
            "spaces.cdn",
            "",
            "cannot be used without public: it reads the bucket as anybody does",
            "public: true, or take it away",
        )
    if bool(cdn.domain_name) != bool(cdn.certificate_name):
        yield Problem(
            "spaces.cdn",
            "",
            "has a domainName or a certificateName, but not both",
            "both, or neither for a name of DigitalOcean's own",
        )


def _bucket_names_on_b2(cache: CacheSettings) -> Iterator[Problem]:
    if cache.backend == "b2" and (len(cache.bucket) < 6 or cache.bucket.startswith("b2-")):
        yield Problem(
            "bucket",
            repr(cache.bucket),
            "is no name that B2 takes",
            "at least 6 letters, digits and hyphens that do not begin with b2-",
        )


def _expiry_that_takes_too_many_rules(cache: CacheSettings) -> Iterator[Problem]:
    rules, backend = len(expiry_rules(cache.expire_after_days)), BACKENDS[cache.backend]
    if backend.lifecycle_rules is not None and rules > backend.lifecycle_rules:
        yield Problem(
            "expireAfterDays",
            str(cache.expire_after_days),
            f"takes {rules} rules, as none may meet nix-cache-info, and {backend.title} has at "
            f"most {backend.lifecycle_rules}",
            "0; `nix-cache gc` removes what is old, and exactly",
        )


_CONTRADICTIONS: tuple[
    tuple[tuple[str, ...], Callable[[CacheSettings], Iterator[Problem]]], ...
] = (
    (("backend", *BACKENDS), _settings_of_the_backend),
    (("writers", "readers", "public"), _names_used_twice),
    (("domain", "writers", "retiredPublicKeys"), _keys_of_one_name),
    (("backend", "writers"), _keyless_writers),
    (("aws", "public"), _behind_cloudfront),
    (("backend", "bucket", "writers", "readers", "public"), _names_too_long_for_iam),
    (("aws",), _watched_without_words),
    (("backend", "readers", "public"), _readers_of_a_public_space),
    (("spaces", "public"), _cdn_before_a_space),
    (("backend", "bucket"), _bucket_names_on_b2),
    (("backend", "expireAfterDays"), _expiry_that_takes_too_many_rules),
)
"""Checks that need several settings, each with the ones it reads."""
