"""The arguments of a writer, each described once, as ``arguments.py`` describes a cache's. Pure."""

from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from nix_cache.config.setting import (
    GENERATION_RULE,
    NAME_RULE,
    Generation,
    Name,
    Reference,
    SettingsModel,
    setting,
)
from nix_cache.formats import signing

_NO_WILDCARD = r"^[A-Za-z0-9][A-Za-z0-9._/ -]{0,98}[A-Za-z0-9]$|^[A-Za-z0-9]$"
"""A branch or an environment of GitHub's, without what IAM takes for a wildcard."""


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


class WriterSettings(SettingsModel):
    """A writer. Each has its own credential and its own signing key.

    One with a ``githubRepository`` has no stored credential: its workflows prove who they are.
    """

    name: Name = setting("The writer's name.", must_be=NAME_RULE)
    generation: Generation = setting(
        "The generation of the writer's signing key. Raise it to rotate the key.",
        must_be=GENERATION_RULE,
        default=1,
    )
    trusted_generations: Annotated[
        tuple[Generation, ...] | None, AfterValidator(_earlier_generations)
    ] = setting(
        "Earlier generations whose signatures stay trusted.",
        must_be="a list of earlier generations",
        default=None,
        default_text="all",
    )
    signing_key: Annotated[Reference | None, AfterValidator(_secret_key)] = setting(
        "An imported key for the current generation; it keeps its name. Secret.",
        must_be="a secret key, ``NAME:BASE64``, as ``nix key generate-secret`` prints it",
        default=None,
        default_text="a new key is generated",
        accepts_outputs=True,
        is_secret=True,
    )
    github_repository: Reference | None = setting(
        "A repository whose workflows push without a stored credential. Needs a backend that "
        "accepts GitHub's OIDC tokens, such as ``aws``.",
        must_be="``OWNER/NAME`` of one repository",
        default=None,
        accepts_outputs=True,
        pattern=r"^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$",
    )
    github_branch: Reference | None = setting(
        "The one branch of ``githubRepository`` whose workflows may push. "
        "Set either ``githubBranch`` or ``githubEnvironment``.",
        must_be="the name of one branch, such as ``main``, without wildcards",
        default=None,
        accepts_outputs=True,
        pattern=_NO_WILDCARD,
    )
    github_environment: Reference | None = setting(
        "The one environment of ``githubRepository`` whose jobs may push.",
        must_be="the name of one environment, such as ``production``, without wildcards",
        default=None,
        accepts_outputs=True,
        pattern=_NO_WILDCARD,
    )

    @property
    def is_oidc(self) -> bool:
        """Whether the writer proves who it is by its workflow's identity, not by a stored key."""
        return self.github_repository is not None

    @property
    def kept_generations(self) -> tuple[int, ...]:
        """The generations whose keys exist: the current one first, then the newest."""
        earlier = self.trusted_generations
        if earlier is None:
            earlier = tuple(range(1, self.generation))
        return (self.generation, *sorted({*earlier} - {self.generation}, reverse=True))
