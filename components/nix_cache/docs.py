"""References to the documentation: the one place that decides how messages point to a page."""


def page(topic: str, heading: str = "") -> str:
    """Return what a message prints to point to a page of the documentation.

    This is the command that prints the page, as the package contains all of them. A test checks
    that every page and heading that is passed here exists, so pass both as literals.

    Args:
        topic: the page's path below ``docs``, without ``.md``: ``guides/keys``.
        heading: the anchor of one of its headings, to print only that section.
    """
    return f"`nix-cache help {topic}{heading and f'#{heading}'}`"
