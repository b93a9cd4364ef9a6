"""Makes MinIO verify the signatures that it skips, in the copy of its source that is compiled.

The open-source edition is not maintained any more, and its last version stores objects of anyone
who knows an access key id (CVE-2026-41145, CVE-2026-40344). Each change names the exact text that
it replaces. If upstream does not have that text exactly once, nothing is built.
"""

from offline.source_changes import Change

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
