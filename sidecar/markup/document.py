"""A whole page that needs nothing else and can do nothing: one style sheet inside, no script, no font, no request.

Its policy names the style sheet by its hash, so that even an oversight in what stands in the page could load, run or
send nothing.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from sidecar.markup import text


def document(title: str, body: str) -> str:
    """Return a page; `body` is HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>' + text(title) + "</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex, nofollow">'
        f"<style>{_style()}</style></head><body>{body}</body></html>\n"
    )


def notice(title: str, words: str) -> str:
    """Return a page that says one thing."""
    return document(title, f'<main class="plain"><section><h1>{text(title)}</h1><p>{text(words)}</p></section></main>')


@cache
def policy() -> str:
    """Return the Content-Security-Policy of every page."""
    digest = b64encode(sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; sandbox"
    )


@cache
def _style() -> str:
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
