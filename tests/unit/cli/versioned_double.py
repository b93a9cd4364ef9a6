"""The storage in memory with old versions of objects, and deletions that fail in part."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.unit.cli.s3_double import Answer, Held, S3Double, missing

_STATUS = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
_NAMESPACE = re.compile(rb' xmlns="[^"]*"')


@dataclass(frozen=True)
class Version:
    """A version of an object.

    Attributes:
        name: its id.
        held: its content; an empty one of a marker.
        is_marker: whether it stands for a deletion.
    """

    name: str
    held: Held
    is_marker: bool = False


@dataclass
class VersionedDouble(S3Double):
    """A bucket that may keep versions.

    Attributes:
        keeps_versions: whether it does.
        versions: by key, the oldest first.
        half_fails: whether the next deletion leaves the second half of its objects.
    """

    keeps_versions: bool = False
    versions: dict[str, list[Version]] = field(default_factory=dict)
    half_fails: bool = False

    def put(
        self, key: str, content: bytes, *, age: timedelta = timedelta(), encoding: str = ""
    ) -> None:
        super().put(key, content, age=age, encoding=encoding)
        if self.keeps_versions:
            self._add(key, Version(self._new_name(), self.objects[key]))

    def answer(self, method: str, key: str, query: dict[str, str], body: bytes) -> Answer:
        if self.keeps_versions and method == "GET":
            if "versioning" in query:
                return Answer(200, {}, _STATUS)
            if "versions" in query:
                return self._version_page(query["prefix"])
            if "versionId" in query:
                return self._version(key, query["versionId"])
        return super().answer(method, key, query, body)

    def _deletion(self, body: bytes) -> Answer:
        wanted = [
            (str(one.findtext("Key")), one.findtext("VersionId") or "")
            for one in ET.fromstring(_NAMESPACE.sub(b"", body)).iterfind("Object")
        ]
        assert 0 < len(wanted) <= 1000
        done = len(wanted) // 2 if self.half_fails else len(wanted)
        self.half_fails = False
        self.deletions.append(([key for key, _ in wanted[:done]], self.seen))
        self.log.append("delete")
        parts = [self._deleted(key, version) for key, version in wanted[:done]]
        parts += [
            f"<Error><Key>{escape(key)}</Key><Code>InternalError</Code></Error>"
            for key, _ in wanted[done:]
        ]
        return Answer(200, {}, f"<DeleteResult>{''.join(parts)}</DeleteResult>".encode())

    def _deleted(self, key: str, version: str) -> str:
        self.deleted.append(key)
        marker = ""
        if not self.keeps_versions:
            self.objects.pop(key, None)
        elif version:
            self.versions[key] = [one for one in self.versions.get(key, ()) if one.name != version]
            self._show(key)
        else:
            self._add(key, Version(self._new_name(), Held(b"", self.clock()), is_marker=True))
            marker = "<DeleteMarker>true</DeleteMarker>"
        return f"<Deleted><Key>{escape(key)}</Key>{marker}</Deleted>"

    def _add(self, key: str, version: Version) -> None:
        self.versions.setdefault(key, []).append(version)
        self._show(key)

    def _show(self, key: str) -> None:
        """Let readers find the latest version."""
        latest = self.versions[key][-1] if self.versions[key] else None
        if latest is None or latest.is_marker:
            self.objects.pop(key, None)
        else:
            self.objects[key] = latest.held

    def _new_name(self) -> str:
        return f"v{sum(map(len, self.versions.values())):06}-{self.requests}"

    def _version(self, key: str, name: str) -> Answer:
        for one in self.versions.get(key, ()):
            if one.name == name and not one.is_marker:
                headers: Mapping[str, str] = {"Content-Length": str(len(one.held.content))}
                return Answer(200, dict(headers), one.held.content)
        return missing()

    def _version_page(self, prefix: str) -> Answer:
        parts = ["<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"]
        for key in sorted(self.versions, key=str.encode):
            if key.startswith(prefix):
                found = self.versions[key]
                parts += [
                    self._listed_version(key, one, is_latest=one is found[-1])
                    for one in reversed(found)
                ]
        body = f"<ListVersionsResult>{''.join(parts)}</ListVersionsResult>"
        return Answer(200, {}, body.encode())

    def _listed_version(self, key: str, one: Version, *, is_latest: bool) -> str:
        kind = "DeleteMarker" if one.is_marker else "Version"
        written = one.held.written + self.storage_skew
        return (
            f"<{kind}><Key>{quote(key)}</Key><VersionId>{one.name}</VersionId>"
            f"<IsLatest>{'true' if is_latest else 'false'}</IsLatest>"
            f"<LastModified>{written:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<Size>{len(one.held.content)}</Size></{kind}>"
        )
