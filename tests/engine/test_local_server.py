"""The local MinIO server: once it is reported as ready, it keeps what is changed.

Only a real server reads its users after it begins to answer. It needs no engine.
"""

import json
import shutil
from pathlib import Path

import pytest

from tests.engine.clone import admin_client
from tools.server import LocalServer

pytestmark = pytest.mark.slow

ROUNDS = 3
"""Each mostly finds a server that is called ready too early."""


def test_what_is_changed_right_after_a_start_stays_changed(
    tmp_path: Path, server: LocalServer
) -> None:
    """A server reads its users after it begins to answer, which would bring a removed one back."""
    for number in range(60):
        admin_client(server.connection()).user_add(f"user-{number}", "secret-of-a-user")
    server.stop()
    data, copy = tmp_path / "minio" / "data", tmp_path / "copy"
    shutil.copytree(data, copy, symlinks=True)

    for _ in range(ROUNDS):
        shutil.rmtree(data)
        shutil.copytree(copy, data, symlinks=True)
        server.start()
        admin = admin_client(server.connection())
        admin.user_remove("user-30")
        assert len(json.loads(admin.user_list())) == 59
        server.stop()
