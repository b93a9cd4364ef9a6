"""Makes MinIO verify the signatures that it skips, in the copy of its source that is compiled.

The open-source edition is not maintained any more, and its last version stores objects of anyone
who knows an access key id (CVE-2026-41145, CVE-2026-40344). Each change names the exact text that
it replaces. If upstream does not have that text exactly once, nothing is built.
"""

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from toolchain.errors import BuildError
from toolchain.module_copies import ModuleCopy, rewrite

MODULE = "github.com/minio/minio"

_COMPILED = ("cmd", "internal")
_FILES = ("go.mod", "main.go", "LICENSE")
_NOT_COMPILED = ("*_test.go", "testdata")


@dataclass(frozen=True)
class Change:
    """One change of a file.

    Attributes:
        file: its path in the module.
        before: what is replaced; the file has it exactly once.
        after: what is put in its place.
    """

    file: str
    before: str
    after: str


CHANGES = (
    # CVE-2026-41145, for whole objects and for parts. Upstream looks for an Authorization header
    # and verifies nothing without one, but takes the access key id from the query string too.
    Change(
        "cmd/streaming-v4-unsigned.go",
        """\
trailer bool, signature bool) (io.ReadCloser, APIErrorCode) {
	if signature {
""",
        """\
trailer bool, signature bool) (io.ReadCloser, APIErrorCode) {
	// getReqAccessKeyV4 has told isPutActionAllowed whose rights count. Only if it finds no access
	// key is the request anonymous: every other one has to be signed with the key that it names.
	_, _, errCode := getReqAccessKeyV4(req, globalSite.Region(), serviceS3)
	if errCode != ErrMissingFields &&
		reqSignatureV4Verify(req, globalSite.Region(), serviceS3) != ErrNone {
		return nil, ErrSignatureDoesNotMatch
	}
	if signature {
""",
    ),
    # CVE-2026-40344. Upstream verifies some types of authentication, and no signature of the rest.
    Change(
        "cmd/object-handlers.go",
        """\
	switch rAuthType {
	case authTypeStreamingSigned, authTypeStreamingSignedTrailer:
		// Initialize stream signature verifier.
		reader, s3Err = newSignV4ChunkedReader(r, rAuthType == authTypeStreamingSignedTrailer)
""",
        """\
	switch rAuthType {
	default:
		// Nothing below verifies this type.
		writeErrorResponse(ctx, w, errorCodes.ToAPIErr(ErrAccessDenied), r.URL)
		return
	case authTypeAnonymous:
		// The bucket's policy has decided.
	case authTypeStreamingUnsignedTrailer:
		reader, s3Err = newUnsignedV4ChunkedReader(r, true, r.Header.Get(xhttp.Authorization) != "")
		if s3Err != ErrNone {
			writeErrorResponse(ctx, w, errorCodes.ToAPIErr(s3Err), r.URL)
			return
		}
	case authTypeStreamingSigned, authTypeStreamingSignedTrailer:
		// Initialize stream signature verifier.
		reader, s3Err = newSignV4ChunkedReader(r, rAuthType == authTypeStreamingSignedTrailer)
""",
    ),
    # The same handler decodes the body of that type now, so its decoded length counts.
    Change(
        "cmd/object-handlers.go",
        """\
	if rAuthType == authTypeStreamingSigned || rAuthType == authTypeStreamingSignedTrailer {
""",
        """\
	if rAuthType == authTypeStreamingSigned || rAuthType == authTypeStreamingSignedTrailer ||
		rAuthType == authTypeStreamingUnsignedTrailer {
""",
    ),
    # Presigned requests of version 2. Upstream takes the rights of the first access key id in the
    # query string and verifies the signature of the last one: a reader could act as anyone.
    Change(
        "cmd/signature-v2.go",
        """\
	// Invalid values returns error.
	if accessKey == "" || gotSignature == "" || expires == "" {
""",
        """\
	// getReqAccessKeyV2 gives the request the rights of the first access key id.
	if accessKey != r.Form.Get(xhttp.AmzAccessKeyID) {
		return ErrSignatureDoesNotMatch
	}

	// Invalid values returns error.
	if accessKey == "" || gotSignature == "" || expires == "" {
""",
    ),
)


def write(source: Path, folder: Path, target: Path) -> None:
    """Copy what is compiled of MinIO, with all changes.

    Args:
        source: the module as the module proxy serves it.
        folder: the tool's own Go module; not needed here.
        target: a folder that does not exist yet.

    Raises:
        BuildError: the source does not have exactly what the changes replace.
        OSError: the copy cannot be written.
    """
    target.mkdir(parents=True)
    try:
        for name in _FILES:
            shutil.copy2(source / name, target)
        for name in _COMPILED:
            ignored = shutil.ignore_patterns(*_NOT_COMPILED)
            shutil.copytree(source / name, target / name, ignore=ignored)
    except FileNotFoundError as missing:
        raise _unexpected("is not there", Path(str(missing.filename))) from missing
    for change in CHANGES:
        rewrite(target / change.file, partial(changed, change=change), _unexpected)


def changed(text: str, change: Change) -> str:
    """Apply one change to the text of its file; raises BuildError."""
    count = text.count(change.before)
    if count != 1:
        wanted = " ".join(change.before.split())
        raise _unexpected(f"has `{wanted}` {count} times, not once", Path(change.file))
    return text.replace(change.before, change.after)


def _unexpected(what: str, where: Path) -> BuildError:
    return BuildError(
        f"MinIO cannot be made safe: {where} {what}",
        "make its version in toolchain/modules/minio/go.mod and toolchain/minio_signatures.py fit "
        "together again",
    )


COPY = ModuleCopy(MODULE, write, Path(__file__))
"""MinIO as it is built here."""
