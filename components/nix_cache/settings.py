"""Every setting of a cache: its type, its default, what is allowed, and the whole check. Pure.

The same check serves the program, whose keys are camelCase, and the component, whose arguments are
snake_case. It reports every mistake at once, and nothing else in the package doubts a value again.
Each field's ``description`` says what to write; a mistake is reported with it.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel

from nix_cache import signing
from nix_cache.access import Privilege
from nix_cache.problems import Problem, SettingsError, problems_of
from nix_cache.setting_types import Endpoint, Generation, LikePublic, Name, PublicKey


def _secret_key(value: object) -> object:
    """Check a key that is known by now. One that is an Output is checked while deploying."""
    return signing.parse_secret_key(value).secret_text if isinstance(value, str) else value


def _earlier_generations(
    trusted: tuple[int, ...] | None, info: ValidationInfo
) -> tuple[int, ...] | None:
    current = info.data.get("generation")
    for generation in trusted or ():
        if current is not None and generation > current:
            raise ValueError(f"trusts generation {generation}, but the current one is {current}")
    return trusted


def _not_empty(items: tuple[Any, ...]) -> tuple[Any, ...]:
    if not items:
        raise ValueError("is empty")
    return items


def _writer(raw: object) -> object:
    return {"name": raw} if isinstance(raw, str) else raw


class _Model(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class MinioSettings(_Model):
    """Where a MinIO server is, as the machines that use the cache see it."""

    endpoint: Endpoint = Field(
        description="a URL of scheme, host and port, such as https://minio.example.org:9000"
    )
    region: str = Field(
        "us-east-1",
        pattern=r"^[a-z0-9-]+$",
        description="the server's region; MinIO's own default is us-east-1",
    )
    user_prefix: str | None = Field(
        None,
        pattern=r"^[a-z0-9-]{0,32}$",
        description="at most 32 lower-case letters, digits and hyphens, put before every user's "
        "name (default: none for the bucket nix-cache, else the bucket's name and a hyphen)",
    )


class WriterSettings(_Model):
    """Somebody who pushes: a credential of their own, and a signing key per generation."""

    name: Name
    generation: Generation = Field(1, description="a whole number; raise it to rotate the key")
    trusted_generations: Annotated[
        tuple[Generation, ...] | None, AfterValidator(_earlier_generations)
    ] = Field(None, description="a list of earlier generations that stay trusted (default: all)")
    signing_key: Annotated[Any, AfterValidator(_secret_key)] = Field(
        None, description="a secret key, NAME:BASE64, as `nix key generate-secret` prints it"
    )

    @property
    def kept_generations(self) -> tuple[int, ...]:
        """The generations whose keys exist: the current one first, then the newest."""
        earlier = self.trusted_generations
        if earlier is None:
            earlier = tuple(range(1, self.generation))
        return (self.generation, *sorted({*earlier} - {self.generation}, reverse=True))


class CacheSettings(_Model):
    """A whole cache, checked."""

    domain: str = Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$",
        description="a name that is yours, such as cache.example.org; key names start with it",
    )
    backend: Literal["minio"] = Field("minio", description="one of: minio")
    bucket: str = Field(
        "nix-cache",
        pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$",
        description="3 to 63 lower-case letters, digits and inner hyphens (dots break TLS)",
    )
    public: bool = Field(
        False, description="true, anybody reads what they know the name of, or false, readers only"
    )
    writers: Annotated[
        tuple[Annotated[WriterSettings, BeforeValidator(_writer)], ...],
        AfterValidator(_not_empty),
    ] = Field(
        (WriterSettings(name="nixbuilder"),),
        description="a list of names, or of objects with name, generation, trustedGenerations "
        "and signingKey",
    )
    readers: tuple[Name, ...] = Field(
        (), description="a list of names (without any, a private cache has nixreader)"
    )
    retired_public_keys: tuple[PublicKey, ...] = Field(
        (), description="a list of public keys, NAME:BASE64, that stay trusted"
    )
    priority: int = Field(
        40,
        ge=0,
        le=1000,
        description="a whole number from 0 to 1000; the smaller is asked first, and "
        "cache.nixos.org has 40",
    )
    want_mass_query: bool = Field(
        True, description="true or false: whether clients may ask for many paths at once"
    )
    store_dir: str = Field(
        "/nix/store",
        pattern=r"^(/[A-Za-z0-9+_-][A-Za-z0-9+._-]*)+$",
        description="an absolute path, such as /nix/store",
    )
    expire_after_days: int = Field(
        0, ge=0, le=3650, description="a whole number of days up to 3650, or 0 to keep everything"
    )
    landing_page: LikePublic = Field(
        None,
        description="true or false: whether the bucket has a page for people, index.html "
        "(default: what public is)",
    )
    descriptor: LikePublic = Field(
        None,
        description="true or false: whether the bucket has a description for `nix-cache use`, "
        "nix-cache.json (default: what public is)",
    )
    protect: bool = Field(
        True, description="true or false: whether the bucket and the keys refuse to be deleted"
    )
    adopt: bool = Field(
        False,
        description="true or false: whether a bucket, users and policies that exist under the "
        "cache's names are taken over",
    )
    minio: MinioSettings | None = Field(
        None, description="an object with endpoint and, where needed, region and userPrefix"
    )

    @property
    def reader_names(self) -> tuple[str, ...]:
        """The readers. A private cache without any would serve nobody, so it has ``nixreader``."""
        return self.readers or (() if self.public else ("nixreader",))

    @property
    def has_landing_page(self) -> bool:
        """Whether the bucket has a page for people."""
        return self.public if self.landing_page is None else self.landing_page

    @property
    def has_descriptor(self) -> bool:
        """Whether the bucket has its description for clients."""
        return self.public if self.descriptor is None else self.descriptor

    @property
    def privileges(self) -> dict[str, Privilege]:
        """Everybody who has a credential, and what it lets them do."""
        return {
            **dict.fromkeys((writer.name for writer in self.writers), Privilege.WRITE),
            **dict.fromkeys(self.reader_names, Privilege.READ),
        }

    def key_name(self, writer: WriterSettings, generation: int) -> str:
        """The name of the key that one of the writers has in one generation."""
        return signing.key_name(self.domain, writer.name, generation)


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


def _backend_without_its_settings(cache: CacheSettings) -> Iterator[Problem]:
    if getattr(cache, cache.backend) is None:
        fix = CacheSettings.model_fields[cache.backend].description or ""
        yield Problem(cache.backend, "", f"is missing for the backend {cache.backend}", fix)


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


_CONTRADICTIONS: tuple[
    tuple[tuple[str, ...], Callable[[CacheSettings], Iterator[Problem]]], ...
] = (
    (("backend", "minio"), _backend_without_its_settings),
    (("writers", "readers", "public"), _names_used_twice),
    (("domain", "writers", "retiredPublicKeys"), _keys_of_one_name),
)
"""Checks that need several settings, each with the ones it reads."""
