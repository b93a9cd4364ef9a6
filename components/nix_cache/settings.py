"""Every setting of a cache: its type, its default, and what is allowed. Pure.

Each field's ``description`` says what to write; a mistake is reported with it.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from nix_cache import signing
from nix_cache.backend_settings import AwsSettings, B2Settings, MinioSettings, SpacesSettings
from nix_cache.iam.access import Privilege
from nix_cache.setting_types import Generation, LikePublic, Name, PublicKey, SettingsModel


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


_NO_WILDCARD = r"^[A-Za-z0-9][A-Za-z0-9._/ -]{0,98}[A-Za-z0-9]$|^[A-Za-z0-9]$"
"""A branch or an environment of GitHub's, without what IAM takes for a wildcard."""


class WriterSettings(SettingsModel):
    """Somebody who pushes: a credential of their own, and a signing key per generation.

    One with a ``github_repository`` has no stored credential: its workflows prove who they are.
    """

    name: Name
    generation: Generation = Field(1, description="a whole number; raise it to rotate the key")
    trusted_generations: Annotated[
        tuple[Generation, ...] | None, AfterValidator(_earlier_generations)
    ] = Field(None, description="a list of earlier generations that stay trusted (default: all)")
    signing_key: Annotated[Any, AfterValidator(_secret_key)] = Field(
        None, description="a secret key, NAME:BASE64, as `nix key generate-secret` prints it"
    )
    github_repository: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$",
        description="OWNER/NAME of one repository, whose workflows push without a stored key",
    )
    github_branch: str | None = Field(
        None,
        pattern=_NO_WILDCARD,
        description="the one branch whose workflows may push, such as main; no wildcard",
    )
    github_environment: str | None = Field(
        None,
        pattern=_NO_WILDCARD,
        description="the one environment whose jobs may push, such as production; no wildcard",
    )

    @property
    def is_keyless(self) -> bool:
        """Whether the writer proves who it is by its workflow's identity, not by a stored key."""
        return self.github_repository is not None

    @property
    def kept_generations(self) -> tuple[int, ...]:
        """The generations whose keys exist: the current one first, then the newest."""
        earlier = self.trusted_generations
        if earlier is None:
            earlier = tuple(range(1, self.generation))
        return (self.generation, *sorted({*earlier} - {self.generation}, reverse=True))


class CacheSettings(SettingsModel):
    """A whole cache, checked."""

    domain: str = Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,126}[A-Za-z0-9])?$",
        description="a name that is yours, such as cache.example.org; key names start with it",
    )
    backend: Literal["minio", "aws", "spaces", "b2"] = Field(
        "minio", description="one of: minio, aws, spaces, b2"
    )
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
    aws: AwsSettings | None = Field(
        None, description="an object with region and, where wanted, the rest of what AWS offers"
    )
    spaces: SpacesSettings | None = Field(
        None, description="an object with region and, where wanted, cdn"
    )
    b2: B2Settings | None = Field(None, description="an object with region, such as us-west-004")

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
            **dict.fromkeys((w.name for w in self.writers if not w.is_keyless), Privilege.WRITE),
            **dict.fromkeys(self.reader_names, Privilege.READ),
        }

    def key_name(self, writer: WriterSettings, generation: int) -> str:
        """The name of the key that one of the writers has in one generation."""
        return signing.key_name(self.domain, writer.name, generation)
