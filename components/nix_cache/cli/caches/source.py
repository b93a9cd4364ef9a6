"""Where a cache's manifest comes from: a stack, a file, standard input, or the cache itself."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from nix_cache.cli.caches import manifest_document, urls
from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.limits import DOCUMENT_BYTES, STACK_SECONDS, TooLargeError
from nix_cache.cli.machine import child
from nix_cache.cli.s3.credentials import Credential
from nix_cache.formats.manifest import MANIFEST_KEY, Manifest
from nix_cache.redaction import keep_secret, redacted


class Origin(StrEnum):
    """What a source is. SECURITY.md states what each may change on a machine."""

    URL = "URL"
    FILE = "file"
    STANDARD_INPUT = "standard input"
    STACK = "stack"
    RECORD = "record"
    """A cache in use on this machine, by its name."""


_MANIFEST_OUTPUTS = ("manifest", "cache")
"""The output with the manifest, and its name in 0.1.0."""


@dataclass(frozen=True)
class Source:
    """A cache and, where the source had them, the secrets of those who use it.

    Attributes:
        manifest: the cache.
        signing_keys: by writer, the current secret key as text.
        credentials: by writer and reader, their key pair.
        origin: what it was read from. A URL has neither signing keys nor credentials.
    """

    manifest: Manifest
    signing_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    origin: Origin = Origin.FILE

    def __post_init__(self) -> None:
        keep_secret(*(str(key).partition(":")[2] for key in self.signing_keys.values()))


def is_url(source: str) -> bool:
    """Return whether a source is meant as a URL, also if it is one that is refused."""
    return "://" in source


def is_file(source: str) -> bool:
    """Return whether a source is a file, or a pipe that the shell gave a name."""
    path = Path(source)
    return path.exists() and not path.is_dir()


def is_stack(source: str) -> bool:
    """Return whether a source is the name of a stack."""
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
        if sys.stdin is None:
            raise UsageError("standard input is closed", "name a file, a stack or a URL")
        content = _limited(sys.stdin.buffer)
        return parse(_text(content), "standard input", Origin.STANDARD_INPUT)
    if is_url(source):
        require_plain_url(source)
        return parse(_fetched(source), source, Origin.URL)
    path = Path(source)
    if is_file(source):
        try:
            with path.open("rb") as file:
                return parse(_text(_limited(file)), source)
        except OSError as failure:
            raise ClientError(
                f"{source} cannot be read: {failure.strerror}", "check its permissions"
            ) from None
    if path.suffix == ".json" or source.startswith((".", "/")):
        raise UsageError(f"{source} is not a file", "name a file, a stack or a URL")
    outputs = _stack_outputs(source, secrets=secrets, project=project)
    return parse(outputs, f"stack {source}", Origin.STACK)


def require_plain_url(url: str) -> None:
    """Refuse a URL that is not that of a cache, or that has a password.

    Raises:
        UsageError: it is. The message has no password.
    """
    try:
        urls.parse_http(url)
    except urls.UrlError as mistake:
        raise UsageError(
            f"the URL {redacted(url)!r} is refused: {mistake}",
            "give the cache's read URL, such as https://cache.example.org/nix-cache",
        ) from None


def parse(text: str, name: str, origin: Origin = Origin.FILE) -> Source:
    """Read a manifest, or all of a stack's outputs, from JSON.

    Stacks of 0.1.0 have the manifest as their output ``cache``.

    From a URL only the readers' part of the manifest is taken.

    Args:
        text: what was read.
        name: where, for messages.
        origin: what that is.

    Raises:
        UsageError: it is neither.
        ClientError: it has a newer version, or is a URL that publishes secrets.
    """
    document = manifest_document.decode(text, name)
    output = next((known for known in _MANIFEST_OUTPUTS if known in document), None)
    outputs = document if output else {}
    manifest = manifest_document.validated(document[output] if output else document, name)
    signing_keys = manifest_document.outputs_named(outputs, "signingKeys", name)
    credentials = manifest_document.outputs_named(outputs, "credentials", name)
    if origin is Origin.URL:
        if signing_keys or credentials:
            raise ClientError(
                f"{name} publishes signing keys or credentials, which are never taken from a URL",
                "do not use this cache before its owner has removed and replaced them",
            )
        return Source(manifest.for_readers(), origin=origin)
    return Source(
        manifest=manifest,
        signing_keys={user: _key_text(user, key, name) for user, key in signing_keys.items()},
        credentials={user: _credential(user, pair, name) for user, pair in credentials.items()},
        origin=origin,
    )


def _key_text(writer: str, value: object, name: str) -> str:
    if not isinstance(value, str):
        raise UsageError(
            f"the signing key of {writer} in {name} is not text",
            "take the output `signingKeys` as `pulumi stack output --json` prints it",
        )
    manifest_document.require_plain_text(value.strip(), name)
    return value


def _credential(user: str, value: object, name: str) -> Credential:
    manifest_document.require_plain_text(value, name)
    try:
        return Credential.model_validate(value)
    except ValidationError as mistakes:
        raise manifest_document.invalid_credential(mistakes, user, name) from None


def _limited(file: BinaryIO) -> bytes:
    """Return what is in a file, but no more than shows that it is too large."""
    return file.read(DOCUMENT_BYTES + 1)


def _fetched(url: str) -> str:
    # These take a while, and only a URL needs them.
    from nix_cache.cli.limits import MANIFEST
    from nix_cache.cli.machine.progress import Progress
    from nix_cache.cli.s3.content_encoding import EncodingError, decoded
    from nix_cache.cli.s3.foreign import require_own
    from nix_cache.cli.s3.hosts import NoAnswerError
    from nix_cache.cli.s3.reply import origin_of
    from nix_cache.cli.s3.transport import Transport

    address = f"{url.rstrip('/')}/{MANIFEST_KEY}"
    try:
        with Progress() as progress:
            progress.tell(f"waiting for {origin_of(url)}")
            reply = Transport().exchange("GET", address, {}, None, MANIFEST)
        body = decoded(reply.body, reply.headers.get("Content-Encoding"), MANIFEST.most_bytes)
    except NoAnswerError as failure:
        where = origin_of(url)
        raise ClientError(
            failure.problem(where), failure.cause.fix or "check the URL and the network"
        ) from None
    except (EncodingError, TooLargeError) as mistake:
        raise ClientError(f"{address} {mistake}", "check the URL") from None
    if (target := reply.redirect) is not None:
        raise ClientError(
            f"{address} redirects to {target}, and keys are taken from nowhere else than asked",
            "name that URL if it is the cache's",
        )
    require_own(reply._replace(body=body), "GET")
    if reply.status == 429 or reply.status >= 500:
        raise ClientError(
            f"{address} answers {reply.status}: the server is busy or faulty",
            "try again later, or look at the server's log",
        )
    if reply.status == 401:
        raise ClientError(
            f"{address} requires a login (401), and only Nix itself logs in, by its netrc-file",
            "name the stack, or a file with its outputs, instead of the URL",
        )
    if reply.status != 200:
        raise ClientError(
            f"{address} answers {reply.status}: the cache has no manifest there",
            "check the URL, set `manifest` to true in its stack, or name the stack or a file",
        )
    return _text(body)


def _text(content: bytes) -> str:
    """Decode a text; invalid UTF-8 is reported as invalid JSON."""
    return content.decode(errors="replace")


def _stack_outputs(stack: str, *, secrets: bool, project: Path | None) -> str:
    command = ["pulumi", "stack", "output", "--json", "--stack", stack, "--non-interactive"]
    try:
        done = child.run(
            [*command, "--show-secrets"] if secrets else command,
            folder=project,
            timeout_seconds=STACK_SECONDS,
            most_bytes=DOCUMENT_BYTES,
        )
    except FileNotFoundError:
        raise UsageError(
            f"{stack} is neither a file nor a URL, and there is no pulumi on PATH to read a stack",
            "name a file or a URL, or put pulumi on PATH",
        ) from None
    except subprocess.TimeoutExpired:
        raise ClientError(
            f"pulumi did not return the outputs of the stack {stack} within {STACK_SECONDS:.0f} s",
            "run `pulumi stack output` by hand and look",
        ) from None
    except TooLargeError as reason:
        raise ClientError(
            f"what pulumi prints of the stack {stack} {reason}", "name the right stack"
        ) from None
    if done.returncode != 0:
        said = done.stderr.strip().removeprefix("error: ").splitlines() or ["it did not say why"]
        place = (project or Path()).absolute()
        if "/" not in stack and not _is_in_program(place):
            raise ClientError(
                f"the stack {stack} could not be asked: {place} is not the folder of a Pulumi "
                "program",
                "run this in the folder of the stack's program, or name it with --project",
            )
        raise ClientError(
            f"the stack {stack} could not be asked: {said[0]}",
            "check its name, and that pulumi is logged in to its backend",
        )
    return done.stdout


def _is_in_program(folder: Path) -> bool:
    """Return whether a folder is in that of a Pulumi program, where `pulumi` looks for stacks."""
    return any(
        (one / f"Pulumi.{suffix}").is_file()
        for one in (folder, *folder.parents)
        for suffix in ("yaml", "yml", "json")
    )
