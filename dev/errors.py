"""What can go wrong behind `make`, told as one mistake and its fix."""


class DevError(Exception):
    """A step of `make` failed; ``str()`` is ready to print."""

    def __init__(self, mistake: str, fix: str) -> None:
        super().__init__(f"{mistake}\n  fix: {fix}")
