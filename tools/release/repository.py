"""What git knows of a repository: commits, their files and their time, tags."""

import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolError


@dataclass(frozen=True)
class Repository:
    """A clone.

    Attributes:
        folder: its top folder.
    """

    folder: Path

    def commit(self, name: str) -> str:
        """Return the whole hash of a commit, by its hash, a tag or ``HEAD``.

        Raises:
            ToolError: it is not in this clone.
        """
        done = self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if done.returncode:
            raise ToolError(
                f"the commit {name} is not in this clone, {self.folder}",
                "fetch the whole history: git fetch --tags, with --unshallow if the clone is "
                "shallow",
            )
        return done.stdout.decode().strip()

    def text(self, commit: str, path: str) -> str:
        """Return a file as it was in a commit.

        Raises:
            ToolError: the clone has no such commit, or the commit no such file.
        """
        return self._output_of("show", f"{self.commit(commit)}:{path}").decode()

    def export(self, commit: str, folder: Path, *paths: str) -> None:
        """Write a commit's files into a folder, without the repository.

        Args:
            commit: its hash or tag.
            folder: made if it is not there.
            paths: the folders and files that are wanted; without any, all of them.

        Raises:
            ToolError: the clone has no such commit, or the commit no such path.
        """
        archive = self._output_of("archive", "--format=tar", self.commit(commit), "--", *paths)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")

    def tags(self) -> dict[str, str]:
        """Return the hash of the commit of every tag that begins with ``v``."""
        names = self._output_of("tag", "--list", "v*").decode().split()
        return {name: self.commit(name) for name in names}

    def _output_of(self, *arguments: str) -> bytes:
        done = self._git(*arguments)
        if done.returncode:
            raise ToolError(
                f"git {' '.join(arguments)} failed: {done.stderr.decode().strip()}",
                "run it in a clone that has the project's whole history",
            )
        return done.stdout

    def _git(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, check=False
        )
