"""AWS credentials files."""

import tempfile
from pathlib import Path

from nix_cache.cli.machine import masking
from nix_cache.cli.s3.credentials import Credential, profile_in
from nix_cache.cli.use import credentials_file
from tests.fuzz.target import Target

_OURS = Credential(access_key_id="nixbuilder", secret_access_key="secret-of-nixbuilder")
_PROFILE = "nixbuilder"
_CACHE = "demo"
_FOLDER = tempfile.TemporaryDirectory(prefix="nix-cache-fuzz-")
_SEED = b"""\
# mine
[default]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key=a secret/with+signs

[profile other]
role_arn = arn:aws:iam::123456789012:role/x
s3 =
  addressing_style = path
[sso]\r
sso_session = x
"""
_TOKENS = (
    b"[nixbuilder]\n",
    b"[default]\n",
    b"[ default ]\n",
    b"[DEFAULT]\n",
    b"# The binary cache demo, written by `nix-cache use`:\n",
    b"aws_access_key_id = x\n",
    b"aws_secret_access_key = y\n",
    b"aws_access_key_id =\n  nested = 1\n",
    b"AWS_SECRET_ACCESS_KEY: z\n",
    b"%(default)s",
    b"[",
    b"]",
    b"; ",
)


def _check_file(data: bytes) -> bool:
    """Add a profile and take it out again."""
    try:
        added = credentials_file.with_profile(data, _CACHE, _PROFILE, _OURS)
    except credentials_file.ForeignProfileError:
        return False
    assert credentials_file.has_profile(added, _PROFILE)
    assert credentials_file.with_profile(added, _CACHE, _PROFILE, _OURS) == added
    if b"# The binary cache" not in data and not credentials_file.has_profile(data, _PROFILE):
        assert credentials_file.without_profiles(added, _CACHE) == data, "not as it was"
    for line in added.decode(errors="backslashreplace").split("\n"):
        assert _OURS.secret_access_key not in masking.credentials_line(line), "a secret is shown"
    return True


def _check_profile(data: bytes) -> bool:
    """Find a key pair as the AWS tools do."""
    path = Path(_FOLDER.name) / "credentials"
    path.write_bytes(data)
    return profile_in(str(path), "default") is not None


TARGETS = (
    Target("credentials-file", _check_file, (_SEED,), tokens=_TOKENS),
    Target("credentials-profile", _check_profile, (_SEED,), tokens=_TOKENS),
)
