"""The whole check of a cache's settings: every mistake at once, before anything is made. Pure.

The same check serves the program, whose keys are camelCase, and the component, whose arguments are
snake_case. Nothing else in the package doubts a value again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from nix_cache.arguments import CacheSettings
from nix_cache.backends.registry import BACKENDS
from nix_cache.config.problems import (
    Problem,
    SettingsError,
    object_of,
    problems_of,
    shown_unless_output,
)
from nix_cache.config.renames import as_written, renamed
from nix_cache.config.setting import BackendSettings
from nix_cache.config.spelling import Spelling
from nix_cache.formats import signing
from nix_cache.iam.access import JANITOR
from nix_cache.iam.lifecycle import expiry_rules


def check(
    raw: Mapping[str, Any],
    *,
    prefix: str = "",
    spelling: Spelling = Spelling.CAMEL_CASE,
    also: Mapping[str, Iterable[str]] | None = None,
) -> CacheSettings:
    """Check every setting and give back the cache that they describe.

    Its ``deprecations`` are the warnings for settings under former names.

    Args:
        raw: the settings as written, under camelCase or snake_case keys. None counts as absent.
        prefix: what a message puts before each key, such as ``nix-cache:``.
        spelling: how messages spell settings, also later ones on this cache.
        also: by backend, names that its object can have besides where it was written. What was
            written under them is in ``raw`` no longer; they are suggested for names like them.

    Raises:
        SettingsError: with every mistake that there is.
    """
    written = {key: value for key, value in raw.items() if value is not None}
    objects = {name: written.pop(name) for name in BACKENDS if name in written}
    common = renamed(written, CacheSettings)
    former = common.former
    cache, problems, doubtful = _common(common.raw)
    problems = common.problems + problems
    own: dict[str, BackendSettings] = {}
    for name, value in objects.items():
        model = BACKENDS[name].settings()
        if isinstance(value, Mapping):
            moved = renamed(value, model, name)
            value, former = moved.raw, former + moved.former
            problems += moved.problems
        try:
            own[name] = model.model_validate(value)
        except ValidationError as error:
            problems += problems_of(error, model, name, tuple((also or {}).get(name, ())))
    for fields, contradictions in _CONTRADICTIONS:
        if not doubtful & set(fields):
            problems += contradictions(cache)
    if "backend" not in doubtful:
        problems += _objects_of_backends(cache.backend, objects)
        if chosen := own.get(cache.backend):
            cache = cache.with_own(chosen)
            for fields, contradicts in chosen.checks:
                if not doubtful & set(fields):
                    problems += contradicts(chosen, cache)
    if problems:
        problems = list(as_written(problems, former))
        raise SettingsError(problems, prefix=prefix, spelling=spelling)
    warnings = (name.deprecation(prefix, spelling) for name in former)
    return cache.spelled(spelling).with_deprecations(warnings)


def _common(written: Mapping[str, Any]) -> tuple[CacheSettings, list[Problem], set[str]]:
    """Check what all backends share. Return the cache, the mistakes, and their settings."""
    try:
        return CacheSettings.model_validate(written), [], set()
    except ValidationError as error:
        problems = problems_of(error, CacheSettings, beside=tuple(BACKENDS))
        doubtful = {to_camel(str(entry["loc"][0])) for entry in error.errors()}
        rest = {key: value for key, value in written.items() if to_camel(key) not in doubtful}
        cache = CacheSettings.model_validate({"domain": "unknown.invalid", **rest})
        return cache, problems, doubtful


def _objects_of_backends(chosen: str, objects: Mapping[str, Any]) -> Iterator[Problem]:
    for name in BACKENDS:
        if name == chosen and name not in objects:
            fix = f"set it to {object_of(BACKENDS[name].settings())}"
            yield Problem(name, "", f"is required for the backend {name}", fix)
        if name != chosen and name in objects:
            yield Problem(
                name,
                "",
                f"is set, but the backend is {chosen}",
                f"set backend to {name}, or remove the settings of {name}",
            )


def _names_used_twice(cache: CacheSettings) -> Iterator[Problem]:
    names = Counter([*(writer.name for writer in cache.writers), *cache.reader_names])
    for name in (name for name, uses in names.items() if uses > 1):
        yield Problem(
            "writers, readers",
            name,
            "names more than one writer or reader",
            "give each another name, as each has a separate credential",
        )


def _names_like_the_janitors(cache: CacheSettings) -> Iterator[Problem]:
    names = {*(writer.name for writer in cache.writers), *cache.reader_names}
    if cache.janitor and JANITOR in names:
        yield Problem(
            "writers, readers",
            JANITOR,
            "is the name of the cache's janitor, and janitor is true",
            "give the writer or reader another name, or set janitor to false",
        )


def _keys_of_one_name(cache: CacheSettings) -> Iterator[Problem]:
    live = Counter(_live_key_names(cache))
    retired = Counter(signing.parse_public_key(key) for key in cache.retired_public_keys)
    for name in (name for name, uses in live.items() if uses > 1):
        yield Problem(
            "writers", name, "is the signing key of two writers", "give each writer its own key"
        )
    for name, uses in retired.items():
        if name in live:
            yield Problem(
                "retiredPublicKeys",
                name,
                "is also a key in use",
                "list only keys that no writer has any more",
            )
        elif uses > 1:
            yield Problem("retiredPublicKeys", name, "is listed twice", "list each key once")


def _live_key_names(cache: CacheSettings) -> Iterator[str]:
    for writer in cache.writers:
        for generation in writer.kept_generations:
            imported = writer.signing_key if generation == writer.generation else None
            if isinstance(imported, str):
                yield signing.parse_secret_key(imported).name
            else:
                yield cache.key_name(writer, generation)


def _oidc_writers(cache: CacheSettings) -> Iterator[Problem]:
    for index, writer in enumerate(cache.writers):
        key = f"writers[{index}]"
        refs = [ref for ref in (writer.github_branch, writer.github_environment) if ref is not None]
        if not writer.is_oidc:
            if refs:
                yield Problem(
                    f"{key}.githubRepository",
                    "",
                    "is required with githubBranch or githubEnvironment",
                    "set it to OWNER/NAME of the repository",
                )
        elif not BACKENDS[cache.backend].has_oidc_writers:
            able = [name for name, backend in BACKENDS.items() if backend.has_oidc_writers]
            yield Problem(
                f"{key}.githubRepository",
                shown_unless_output(writer.github_repository),
                f"needs the backend {' or '.join(able)}: {cache.backend} accepts no OIDC tokens",
                "remove it; the writer then has a stored credential",
            )
        elif len(refs) != 1:
            yield Problem(
                key,
                repr(writer.name),
                "has githubRepository without exactly one of githubBranch and githubEnvironment",
                "set the one of the two that GitHub protects for you",
            )


def _dots_in_bucket(cache: CacheSettings) -> Iterator[Problem]:
    if "." in cache.bucket and (reason := BACKENDS[cache.backend].no_dots):
        yield Problem(
            "bucket", repr(cache.bucket), f"has dots, which {reason}", "use hyphens instead of dots"
        )


def _expiry_that_takes_too_many_rules(cache: CacheSettings) -> Iterator[Problem]:
    rules, backend = len(expiry_rules(cache.expire_after_days)), BACKENDS[cache.backend]
    if backend.lifecycle_rules is not None and rules > backend.lifecycle_rules:
        yield Problem(
            "expireAfterDays",
            str(cache.expire_after_days),
            f"takes {rules} rules, as none may match nix-cache-info, and {backend.title} has at "
            f"most {backend.lifecycle_rules}",
            "set it to 0 and run `nix-cache gc --owner PROFILE --older-than 90`, which removes "
            "old paths exactly",
        )


_CONTRADICTIONS: tuple[
    tuple[tuple[str, ...], Callable[[CacheSettings], Iterator[Problem]]], ...
] = (
    (("writers", "readers", "public"), _names_used_twice),
    (("writers", "readers", "public", "janitor"), _names_like_the_janitors),
    (("domain", "writers", "retiredPublicKeys"), _keys_of_one_name),
    (("backend", "writers"), _oidc_writers),
    (("backend", "bucket"), _dots_in_bucket),
    (("backend", "expireAfterDays"), _expiry_that_takes_too_many_rules),
)
"""Checks that need several settings, each with the ones it reads."""
