"""Realisations: which store path an output of a content-addressed derivation became. Pure.

Nix up to 2.34 has objects ``realisations/sha256:HASH!OUTPUT.doi``, keyed by a hash of the
derivation. Nix 2.35 has ``build-trace-v2/DERIVATION/OUTPUT.doi`` with other JSON. Each of them
reads only its own, and prints only its own, so the form follows from what the installed Nix prints.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Self

from nix_cache.formats.cache_object import JSON_TYPE, CacheObject
from nix_cache.formats.narinfo import BASE_NAME, verified
from nix_cache.formats.signing import SecretKey

_ID = re.compile(r"[a-z0-9]+:[0-9a-z+/=]+![0-9A-Za-z+\-._?=]+")
SUFFIX = ".doi"
"""What the keys of such objects end with."""

_OUTPUT_NAME = re.compile(r"[0-9A-Za-z+\-._?=]+")


class RealisationError(ValueError):
    """A document is not a realisation in a form that is known here. The message says why."""


class _Form(Enum):
    """How Nix writes realisations."""

    BY_HASH = "realisations"
    BY_DERIVATION = "build-trace-v2"


PREFIXES = tuple(f"{form.value}/" for form in _Form)
"""What their keys begin with."""

LISTED_PREFIXES = ("build-trace-v2/", "realisations/sha256:")
"""What the keys begin with that Nix makes, in the order of keys."""

_KEY = re.compile(
    rf"{_Form.BY_HASH.value}/{_ID.pattern}\{SUFFIX}"
    rf"|{_Form.BY_DERIVATION.value}/{BASE_NAME.pattern}/{_OUTPUT_NAME.pattern}\{SUFFIX}"
)


def is_realisation_key(key: str) -> bool:
    """Return whether an object with this key is a realisation."""
    return _KEY.fullmatch(key) is not None


@dataclass(frozen=True)
class Realisation:
    """A realisation.

    Attributes:
        form: how it is written.
        key: the object in a cache.
        out_path: the store path that the output became, without the store's folder.
        fingerprint: what signatures are made over.
        signatures: ``KEYNAME:BASE64``, sorted by the name of the key.
    """

    form: _Form
    key: str
    out_path: str
    fingerprint: str
    signatures: tuple[str, ...]

    @classmethod
    def parse(cls, document: Any) -> Self:
        """Read what Nix prints of a realisation, or the object ``….doi`` of Nix up to 2.34.

        Raises:
            RealisationError: the document has an invalid format.
        """
        match document:
            case {"id": str(identity), "outPath": str(out_path)} if _ID.fullmatch(identity):
                form, key = _Form.BY_HASH, f"{_Form.BY_HASH.value}/{identity}.doi"
                unsigned = {name: each for name, each in document.items() if name != "signatures"}
                signatures = document.get("signatures", [])
            case {
                "key": {"drvPath": str(derivation), "outputName": str(name)},
                "value": {"outPath": str(out_path), **value},
            } if BASE_NAME.fullmatch(derivation) and _OUTPUT_NAME.fullmatch(name):
                form = _Form.BY_DERIVATION
                key = f"{form.value}/{derivation}/{name}.doi"
                signatures = value.pop("signatures", [])
                unsigned = {"key": document["key"], "value": {"outPath": out_path, **value}}
            case _:
                raise RealisationError(f"the realisation has an unknown form: {document!r:.200}")
        if not BASE_NAME.fullmatch(out_path):
            raise RealisationError(f"outPath {out_path!r:.200} is not a store path")
        found = cls(form, key, out_path, _json(unsigned), _signatures(signatures))
        try:
            found.cache_object()
        except UnicodeEncodeError:  # JSON can escape a half of a surrogate pair
            raise RealisationError("it has characters that UTF-8 cannot encode") from None
        return found

    @classmethod
    def parse_stored(cls, key: str, content: bytes) -> Self:
        """Read an object of a cache, in either form.

        Args:
            key: of the object.
            content: what is in it.

        Raises:
            RealisationError: it has an invalid format, or is that of another object.
        """
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            raise RealisationError("it is not JSON") from None
        folder, *names = key.removesuffix(SUFFIX).split("/")
        if folder == _Form.BY_DERIVATION.value and len(names) == 2:
            document = {
                "key": {"drvPath": names[0], "outputName": names[1]},
                "value": document,
            }
        found = cls.parse(document)
        if found.key != key:
            raise RealisationError(f"it is that of {found.key}")
        return found

    @property
    def needed(self) -> tuple[str, ...]:
        """The keys of other realisations without which Nix does not use this one.

        Only the form of Nix up to 2.34 has them, in ``dependentRealisations``.
        """
        found = json.loads(self.fingerprint).get("dependentRealisations")
        names = found if self.form is _Form.BY_HASH and isinstance(found, dict) else ()
        keys = (f"{self.form.value}/{name}{SUFFIX}" for name in names)
        return tuple(key for key in keys if is_realisation_key(key) and key != self.key)

    def signers(self, public_keys: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the keys whose signatures are valid.

        Args:
            public_keys: the keys, ``NAME:BASE64``.
        """
        return verified(self.fingerprint, self.signatures, public_keys)

    def signed(self, key: SecretKey) -> Self:
        """Return it with a signature by a key. One by a key of that name is replaced."""
        others = [text for text in self.signatures if text.partition(":")[0] != key.name]
        return replace(self, signatures=_sorted([*others, key.sign(self.fingerprint.encode())]))

    def other(self, content: bytes) -> Self | None:
        """Read the object that a cache has under the same key; None if it is damaged."""
        try:
            document = json.loads(content)
            if self.form is _Form.BY_DERIVATION:
                document = {"key": json.loads(self.fingerprint)["key"], "value": document}
            found = type(self).parse(document)
        except (ValueError, RecursionError):
            return None
        return found if found.key == self.key else None

    def with_signatures_of(self, other: Self) -> Self:
        """Return it with the signatures of another one too, if that states the same."""
        if other.fingerprint != self.fingerprint:
            return self
        return replace(self, signatures=_sorted({*self.signatures, *other.signatures}))

    def cache_object(self) -> CacheObject:
        """Return the object, byte for byte as Nix writes it."""
        document: dict[str, Any] = json.loads(self.fingerprint)
        if self.form is _Form.BY_HASH:
            document["signatures"] = list(self.signatures)
        else:
            pairs = (text.partition(":") for text in self.signatures)
            signatures = [{"keyName": name, "sig": encoded} for name, _, encoded in pairs]
            document = {**document["value"], "signatures": signatures}
        return CacheObject(self.key, _json(document).encode(), JSON_TYPE)


def parse_printed(text: str) -> list[Realisation]:
    """Read what ``nix realisation info --json`` or ``nix store build-trace info --json`` printed.

    Store paths without a realisation, which are printed between them, are left out.

    Raises:
        RealisationError: it has an invalid format.
    """
    try:
        documents = json.loads(text)
    except (ValueError, RecursionError):
        raise RealisationError("it is not JSON") from None
    if not isinstance(documents, list):
        raise RealisationError("it is not a list")
    return [
        Realisation.parse(document)
        for document in documents
        if not (isinstance(document, dict) and "opaquePath" in document)
    ]


def _signatures(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise RealisationError(f"signatures is not a list: {values!r:.200}")
    return _sorted(map(_signature, values))


def _sorted(signatures: Iterable[str]) -> tuple[str, ...]:
    """Sort signatures by the name of the key, as Nix does."""
    return tuple(sorted(signatures, key=lambda text: text.partition(":")))


def _signature(value: Any) -> str:
    match value:
        case str():
            return value
        case {"keyName": str(name), "sig": str(encoded)}:
            return f"{name}:{encoded}"
    raise RealisationError(f"a signature has an unknown form: {value!r:.200}")


def _json(document: Mapping[str, Any]) -> str:
    """Return JSON as Nix writes it: sorted, without blanks, and not escaped more than needed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
