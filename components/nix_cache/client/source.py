"""Where a cache's description comes from: a stack, a file, standard input, or the cache itself."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from nix_cache.client.errors import ClientError, UsageError
from nix_cache.description import DESCRIPTION_VERSION, DESCRIPTOR_KEY, Description

HTTP_TIMEOUT_SECONDS = 30.0
STACK_TIMEOUT_SECONDS = 120.0
_DESCRIPTION_BYTES = 1_000_000
"""A description has a few kilobytes. What is larger is something else."""


class Credential(BaseModel):
    """An S3 key pair. The secret is empty where the stack does not know it (an adopted user)."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    access_key_id: str
    secret_access_key: str = field(repr=False)


@dataclass(frozen=True)
class Source:
    """A cache and, where the source had them, the secrets of those who use it.

    Attributes:
        description: the cache.
        signing_keys: by writer, the current secret key as text.
        credentials: by writer and reader, their key pair.
    """

    description: Description
    signing_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)


def is_url(source: str) -> bool:
    """Whether a source is the cache's own URL."""
    return source.startswith(("http://", "https://"))


def is_file(source: str) -> bool:
    """Whether a source is a file, or a pipe that the shell gave a name."""
    path = Path(source)
    return path.exists() and not path.is_dir()


def is_stack(source: str) -> bool:
    """Whether a source is the name of a stack."""
    return source != "-" and not is_url(source) and not is_file(source)


def load(source: str, *, secrets: bool = False, project: Path | None = None) -> Source:
    """Read a source.

    Args:
        source: ``-`` for standard input, an ``http(s)://`` URL of a cache, the path of a file, or
            the name of a stack.
        secrets: whether a stack is asked for its secrets too.
        project: the folder of the stack's program; the current one if None.

    Raises:
        ClientError: it cannot be read.
        UsageError: it is none of those, or holds something else.
    """
    if source == "-":
        return parse(_text(sys.stdin.buffer.read()), "standard input")
    if is_url(source):
        return parse(_fetched(source), source)
    path = Path(source)
    if is_file(source):
        try:
            return parse(_text(path.read_bytes()), source)
        except OSError as failure:
            raise ClientError(
                f"{source} cannot be read: {failure.strerror}", "check its permissions"
            ) from None
    if path.suffix == ".json" or source.startswith((".", "/")):
        raise UsageError(f"{source} is no file", "name a file, a stack or a URL")
    return parse(_stack_outputs(source, secrets=secrets, project=project), f"stack {source}")


def parse(text: str, origin: str) -> Source:
    """Read the output ``cache``, or all of a stack's outputs, from JSON.

    Args:
        text: what was read.
        origin: where, for messages.

    Raises:
        UsageError: it is neither.
    """
    fix = "give the output `cache` or all outputs of a stack, as `pulumi stack output --json`"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise UsageError(f"{origin} is not JSON", fix) from None
    if not isinstance(document, dict):
        raise UsageError(f"{origin} holds no JSON object", fix)
    outputs = document if "cache" in document else {"cache": document}
    _refuse_newer(outputs["cache"], origin)
    try:
        return Source(
            description=Description.model_validate(outputs["cache"]),
            signing_keys=_secrets_of(outputs, "signingKeys"),
            credentials={
                user: Credential.model_validate(pair)
                for user, pair in _secrets_of(outputs, "credentials").items()
            },
        )
    except ValidationError as mistakes:
        first = mistakes.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{origin} describes no cache: {where}: {first['msg']}", fix) from None


def _refuse_newer(cache: object, origin: str) -> None:
    version = cache.get("version") if isinstance(cache, dict) else None
    if isinstance(version, int) and version > DESCRIPTION_VERSION:
        raise ClientError(
            f"{origin} has version {version} of the description, and this nix-cache reads "
            f"version {DESCRIPTION_VERSION}",
            "install a newer nix-cache",
        )


def _secrets_of(outputs: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An output that is an object; nothing where it is missing or masked as ``[secret]``."""
    value = outputs.get(name)
    return value if isinstance(value, dict) else {}


def _fetched(url: str) -> str:
    import urllib3  # takes a while, and only a URL needs it

    address = f"{url.rstrip('/')}/{DESCRIPTOR_KEY}"
    http = urllib3.PoolManager(timeout=HTTP_TIMEOUT_SECONDS, retries=urllib3.Retry(2))
    try:
        response = http.request("GET", address, preload_content=False, redirect=False)
        body = response.read(_DESCRIPTION_BYTES)
    except urllib3.exceptions.HTTPError as failure:
        reason = getattr(failure, "reason", None) or failure
        raise ClientError(
            f"{address} cannot be read: {reason}", "check the URL and the network"
        ) from None
    if target := response.get_redirect_location():
        raise ClientError(
            f"{address} redirects to {target}, and keys are taken from nowhere else than asked",
            "name that URL if it is the cache's",
        )
    if response.status != 200:
        raise ClientError(
            f"{address} answers {response.status}: the cache has no description there",
            "check the URL, turn `descriptor` on in its stack, or name the stack or a file",
        )
    return _text(body)


def _text(content: bytes) -> str:
    """What is not UTF-8 is not JSON either, and told as that."""
    return content.decode(errors="replace")


def _stack_outputs(stack: str, *, secrets: bool, project: Path | None) -> str:
    command = ["pulumi", "stack", "output", "--json", "--stack", stack, "--non-interactive"]
    try:
        done = subprocess.run(
            [*command, "--show-secrets"] if secrets else command,
            cwd=project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=STACK_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError(
            f"{stack} is no file and no URL, and to ask a stack there is no pulumi on PATH",
            "name a file or a URL, or put pulumi on PATH",
        ) from None
    except subprocess.TimeoutExpired:
        raise ClientError(
            f"pulumi did not tell the outputs of the stack {stack} within "
            f"{STACK_TIMEOUT_SECONDS:.0f} s",
            "run `pulumi stack output` by hand and look",
        ) from None
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("error: ").splitlines() or ["it did not say why"]
        raise ClientError(
            f"the stack {stack} could not be asked: {said[0]}",
            "check its name, and that pulumi is logged in to its backend",
        )
    return done.stdout
