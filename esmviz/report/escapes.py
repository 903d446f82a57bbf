"""Text and JSON that can stand in HTML."""

from __future__ import annotations


def printable(text: object) -> str:
    """Control characters, and those that turn the direction of what follows, become spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text))


def json_in_html(text: str) -> str:
    """JSON that can stand inside a script element: ``<`` is never outside of its strings.

    >>> print(json_in_html('["</script>"]'))
    ["\\u003c/script>"]
    """
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
