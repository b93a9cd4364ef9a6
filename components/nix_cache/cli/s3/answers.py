"""The XML of S3, read strictly: what is not as S3 writes it is one error. Pure."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote_plus
from xml.sax.saxutils import escape

from nix_cache.cli.s3.clock import iso_date
from nix_cache.cli.s3.errors import MalformedAnswerError

_NAMESPACE = re.compile(r"^\{[^}]*\}")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_TRUTH = {"true": True, "false": False}
_LINE_ENDS = {"\r": "&#xD;", "\n": "&#xA;"}


@dataclass(frozen=True)
class Listed:
    """An object in a listing.

    Attributes:
        key: its name; empty if none is stated.
        size: in bytes; None if none is stated.
        written: when it was put there last; None if no date is stated, or one that cannot be meant.
        etag: another one for each content; empty if none is stated.
    """

    key: str
    size: int | None = None
    written: datetime | None = None
    etag: str = ""


@dataclass(frozen=True)
class Page:
    """One page of a listing.

    Attributes:
        objects: in the order of the storage.
        prefixes: what stands for the objects in folders.
        is_truncated: whether there are more pages.
        token: with which the next page is asked for; empty if none is stated.
        count: how many names there are, by the storage's own count; None if it states none.
    """

    objects: tuple[Listed, ...] = ()
    prefixes: tuple[str, ...] = ()
    is_truncated: bool = False
    token: str = ""
    count: int | None = None


@dataclass(frozen=True)
class ObjectVersion:
    """A version of an object, or a marker that hides those before it.

    Attributes:
        key: of the object.
        version: its id; ``null`` for what was written while the bucket kept no versions.
        written: when; None if no date is stated, or one that cannot be meant.
        is_latest: whether it is what a request without a version finds.
        is_marker: whether it stands for a deletion.
        size: in bytes; 0 for a marker.
        etag: another one for each content; empty if none is stated.
    """

    key: str
    version: str
    written: datetime | None
    is_latest: bool
    is_marker: bool
    size: int = 0
    etag: str = ""


@dataclass(frozen=True)
class VersionPage:
    """One page of a listing of versions.

    Attributes:
        versions: by key, the newest first.
        is_truncated: whether there are more pages.
        next_key: with which the next page is asked for.
        next_version: likewise.
    """

    versions: tuple[ObjectVersion, ...] = ()
    is_truncated: bool = False
    next_key: str = ""
    next_version: str = ""


@dataclass(frozen=True)
class Deleted:
    """What came of a deletion.

    Attributes:
        hidden: how many objects the storage keeps as old versions.
        refused: of each object that was not deleted: its key, a code and a message.
    """

    hidden: int = 0
    refused: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class LifecycleRule:
    """A rule that removes objects by age or date.

    Attributes:
        prefix: of the keys; empty for all.
        days: after which objects go; None for a date.
        is_enabled: whether it is in force.
        has_tags: whether it is for objects with tags alone.
    """

    prefix: str
    days: int | None
    is_enabled: bool
    has_tags: bool


def page(body: bytes) -> Page:
    """Read one page of ListObjectsV2.

    Raises:
        MalformedAnswerError: it is none.
    """
    root = _root(body, "ListBucketResult")
    is_encoded = _text(root, "EncodingType") == "url"

    def name(element: ET.Element, field: str) -> str:
        text = _text(element, field)
        return unquote_plus(text) if is_encoded else text

    return Page(
        objects=tuple(
            Listed(
                key=name(entry, "Key"),
                size=_number(entry, "Size"),
                written=iso_date(_text(entry, "LastModified")),
                etag=_text(entry, "ETag"),
            )
            for entry in _all(root, "Contents")
        ),
        prefixes=tuple(name(entry, "Prefix") for entry in _all(root, "CommonPrefixes")),
        is_truncated=_truth(root, "IsTruncated"),
        token=_text(root, "NextContinuationToken"),
        count=_number(root, "KeyCount"),
    )


def version_page(body: bytes) -> VersionPage:
    """Read one page of ListObjectVersions.

    Raises:
        MalformedAnswerError: it is none.
    """
    root = _root(body, "ListVersionsResult")
    is_encoded = _text(root, "EncodingType") == "url"

    def name(element: ET.Element, field: str) -> str:
        text = _text(element, field)
        return unquote_plus(text) if is_encoded else text

    listed = [
        ObjectVersion(
            key=name(entry, "Key"),
            version=_text(entry, "VersionId"),
            written=iso_date(_text(entry, "LastModified")),
            is_latest=_truth(entry, "IsLatest"),
            is_marker=entry.tag == "DeleteMarker",
            size=_number(entry, "Size") or 0,
            etag=_text(entry, "ETag"),
        )
        for entry in root
        if entry.tag in {"Version", "DeleteMarker"}
    ]
    return VersionPage(
        versions=tuple(sorted(listed, key=_newest_first)),
        is_truncated=_truth(root, "IsTruncated"),
        next_key=name(root, "NextKeyMarker"),
        next_version=_text(root, "NextVersionIdMarker"),
    )


def _newest_first(version: ObjectVersion) -> tuple[bytes, bool, float]:
    """Return what sorts versions: by key, then by age. The order stays where dates are the same.

    AWS and MinIO list versions and markers in one order. B2 lists all markers of a page first.
    """
    written = version.written.timestamp() if version.written else 0.0
    return version.key.encode(errors="surrogatepass"), not version.is_latest, -written


def versioning(body: bytes) -> str:
    """Read whether a bucket keeps versions: ``Enabled``, ``Suspended``, or empty if it never did.

    Raises:
        MalformedAnswerError: it is no such answer.
    """
    return _text(_root(body, "VersioningConfiguration"), "Status").strip()


def deletion(objects: Sequence[str | tuple[str, str]]) -> bytes:
    """Return the body of DeleteObjects.

    Args:
        objects: keys, or keys with the id of a version.
    """
    entries = "".join(_deleted_object(one) for one in objects)
    return (f'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{entries}</Delete>').encode()


def _deleted_object(one: str | tuple[str, str]) -> str:
    key, version = (one, None) if isinstance(one, str) else one
    named = "" if version is None else f"<VersionId>{escape(version, _LINE_ENDS)}</VersionId>"
    return f"<Object><Key>{escape(key, _LINE_ENDS)}</Key>{named}</Object>"


def deleted(body: bytes) -> Deleted:
    """Read the answer to DeleteObjects.

    Raises:
        MalformedAnswerError: it is none.
    """
    root = _root(body, "DeleteResult")
    return Deleted(
        hidden=sum(_truth(entry, "DeleteMarker") for entry in _all(root, "Deleted")),
        refused=tuple(
            (_text(entry, "Key"), _text(entry, "Code"), _text(entry, "Message"))
            for entry in _all(root, "Error")
        ),
    )


def lifecycle(body: bytes) -> tuple[LifecycleRule, ...]:
    """Read a bucket's lifecycle. Rules that remove nothing by age or date are left out.

    Raises:
        MalformedAnswerError: it is none.
    """
    rules = _all(_root(body, "LifecycleConfiguration"), "Rule")
    return tuple(rule for entry in rules if (rule := _rule(entry)) is not None)


def _rule(entry: ET.Element) -> LifecycleRule | None:
    expiration = _one(entry, "Expiration")
    if expiration is None:
        return None
    days = _number(expiration, "Days")
    if days is None and not _text(expiration, "Date"):
        return None
    condition = _one(entry, "Filter")
    both = None if condition is None else _one(condition, "And")
    places = [place for place in (both, condition, entry) if place is not None]
    return LifecycleRule(
        prefix=next(
            (_text(place, "Prefix") for place in places if _one(place, "Prefix") is not None), ""
        ),
        days=days,
        is_enabled=_text(entry, "Status") != "Disabled",
        has_tags=any(bool(list(_all(place, "Tag"))) for place in places),
    )


class _Builder(ET.TreeBuilder):
    def doctype(self, *_: object) -> None:
        """Refuse it in every encoding: S3 defines no entities; others may define too many."""
        raise MalformedAnswerError("a document type")


def _root(body: bytes, name: str) -> ET.Element:
    parser = ET.XMLParser(target=_Builder())  # noqa: S314  # no document type, a limited size
    try:
        parser.feed(body)
        root: ET.Element = parser.close()
    except (ET.ParseError, ValueError, LookupError):
        raise MalformedAnswerError("not XML") from None
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
    if root.tag != name:
        raise MalformedAnswerError(f"{root.tag[:40]} in the place of {name}")
    return root


def _all(element: ET.Element, name: str) -> Iterator[ET.Element]:
    return element.iterfind(name)


def _one(element: ET.Element, name: str) -> ET.Element | None:
    found = element.findall(name)
    if len(found) > 1:
        raise MalformedAnswerError(f"{name} is repeated")
    return found[0] if found else None


def _text(element: ET.Element, name: str) -> str:
    found = _one(element, name)
    if found is None:
        return ""
    if len(found):
        raise MalformedAnswerError(f"{name} is not text")
    return found.text or ""


def _number(element: ET.Element, name: str) -> int | None:
    if _one(element, name) is None:
        return None
    text = _text(element, name).strip()
    if not _NUMBER.fullmatch(text):
        raise MalformedAnswerError(f"{name} is not a number")
    return int(text)


def _truth(element: ET.Element, name: str) -> bool:
    return _TRUTH.get(_text(element, name).strip().lower(), False)
