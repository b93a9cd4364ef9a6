"""What `nix-cache use` prints of its work, for people or for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nix_cache.cli.machine import console
from nix_cache.cli.machine.console import Console
from nix_cache.cli.machine.files import FileChange
from nix_cache.cli.use import diff


@dataclass(frozen=True)
class UseReport:
    """Prints what was done.

    Args:
        name: the cache's.
        changes: the rows of a table: each file, and what happens to it. They have to be noted
            before it happens.
        as_json: whether a program reads it.
    """

    name: str
    changes: Sequence[tuple[str, str]]
    as_json: bool

    @classmethod
    def of(cls, name: str, changes: Sequence[FileChange], *, as_json: bool) -> "UseReport":
        """Return the report on changes that are not made yet."""
        return cls(name, [(str(change.path), change.kind) for change in changes], as_json)

    def print_done(
        self, summary: str, remarks: Iterable[str], next_steps: Iterable[str] = ()
    ) -> None:
        """Print that the changes were made.

        Args:
            summary: one sentence that states the result.
            remarks: what the user should know besides.
            next_steps: commands to try.
        """
        said, steps = list(remarks), list(next_steps)
        if self.as_json:
            console.document({**self._document(), "remarks": said, "next": steps})
            return
        console.out.print(summary)
        self._table(console.out)
        for remark in said:
            console.note(remark)
        if steps:
            console.note(f"Next: {', or '.join(steps)}")

    def print_planned(self, changes: Sequence[FileChange]) -> None:
        """Print what would change: the files, and a diff on standard output."""
        lines = [line for change in changes for line in diff.unified(change)]
        if self.as_json:
            console.document({**self._document(), "dryRun": True, "diff": lines})
            return
        console.note("Dry run: nothing was changed. These files would change:")
        self._table(console.err)
        for line in lines:
            console.out.print(line)

    def _document(self) -> dict[str, object]:
        rows = [{"path": path, "change": change} for path, change in self.changes]
        return {"name": self.name, "dryRun": False, "files": rows}

    def _table(self, where: Console) -> None:
        if self.changes:
            console.columns(self.changes, where)


def print_module(module: str, system: str, remarks: Iterable[str], *, as_json: bool) -> None:
    """Print a module to be put somewhere by hand, and that nothing was changed.

    Args:
        module: its text.
        system: whose language it is in.
        remarks: what to do with it.
        as_json: whether a program reads it. ``nixosModule`` is its older name there.
    """
    said = list(remarks)
    if as_json:
        document = {"module": module, "moduleSystem": system, "nixosModule": module}
        console.document({"dryRun": False, "files": [], "remarks": said, **document})
        return
    for remark in said:
        console.note(remark)
    console.out.text(module)
