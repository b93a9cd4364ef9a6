"""What is in a bucket, and what the storage answers."""

from datetime import UTC, datetime

import botocore.session
from botocore.parsers import ResponseParserError, create_parser

from nix_cache.client.doctor import expiry
from nix_cache.client.errors import ClientError
from nix_cache.client.gc.ledger import Ledger
from tests.fuzz.target import Shape, Target

_NOTED = Ledger.of({"nar/x.nar.xz": datetime(2026, 11, 1, tzinfo=UTC)})
_S3 = botocore.session.get_session().get_service_model("s3")
_LIFECYCLE_SHAPE = _S3.operation_model("GetBucketLifecycleConfiguration").output_shape
_LIFECYCLE = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Rule><ID>expire-0</ID><Status>Enabled</Status><Filter><Prefix>0</Prefix></Filter>
<Expiration><Days>30</Days></Expiration></Rule>
<Rule><ID>expire-nar</ID><Status>Enabled</Status><Filter><And><Prefix>nar/</Prefix>
<Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>
<Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration></Rule>
</LifecycleConfiguration>
"""


def _check_ledger(data: bytes) -> bool:
    try:
        found = Ledger.parse(data)
    except (ValueError, ClientError):
        return False
    assert Ledger.parse(found.content) == found
    found.since(["nar/x.nar.xz"])
    return True


def _check_lifecycle(data: bytes) -> bool:
    """Judge the lifecycle of a bucket, as botocore reads it."""
    assert _LIFECYCLE_SHAPE is not None
    answer = {"body": data, "headers": {}, "status_code": 200}
    try:
        parsed = create_parser("rest-xml").parse(answer, _LIFECYCLE_SHAPE)
    except (ResponseParserError, ValueError, OverflowError):
        return False  # what botocore makes of it is not up to us
    found = list(expiry.expiries(parsed.get("Rules", [])))
    for finding in expiry.judged(found, 30):
        assert finding.what
    return bool(found)


TARGETS = (
    Target("ledger", _check_ledger, (_NOTED.content,), Shape.JSON),
    Target(
        "lifecycle",
        _check_lifecycle,
        (_LIFECYCLE,),
        tokens=(
            b"<Rule></Rule>",
            b"<Rule><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>",
            b"<Filter/>",
            b"<And/>",
            b"<Days>-1</Days>",
            b"<Days>1e9</Days>",
            b"<Date>9999-12-31T23:59:59Z</Date>",
            b"<Prefix/>",
            b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        ),
    ),
)
