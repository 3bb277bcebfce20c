"""An mbox file cut into its mails.

Mailboxes are exported in this format, which was never specified well: mails stand one after another, each after a line
`From sender date`, and some writers put `>` before lines of a body that begin like one. That `>` is left alone: whether
it was added can't be known for sure (mboxo and mboxrd differ), and the bytes that are hashed and kept should be those
of the file. The cost is that such a line reads as quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sidecar.errors import PermanentError

MAILS_MAX = 50_000
# A separator has a time of day in it, which keeps "From now on ..." in a body from being taken for one.
_SEPARATOR = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]{0,200}?\d{1,2}:\d{2}[^\n]{0,200}\n")


def split_mbox(raw: bytes) -> Iterator[bytes]:
    """Yield each mail's bytes without its separator line, in the order of the file.

    Raises PermanentError at once, before the first mail, when this is no mbox or holds more than 50,000 mails.
    """
    starts: list[tuple[int, int]] = []
    for separator in _SEPARATOR.finditer(raw):
        starts.append(separator.span())
        if len(starts) > MAILS_MAX:
            raise PermanentError(f"an mbox of more than {MAILS_MAX} mails: split it")
    if not starts or starts[0][0] != 0:
        raise PermanentError("not an mbox: it must begin with a line 'From sender date'")
    ends = [start for start, _ in starts[1:]] + [len(raw)]
    return (_without_blank_line(raw[body:end]) for (_, body), end in zip(starts, ends, strict=True))


def _without_blank_line(mail: bytes) -> bytes:
    for blank, kept in ((b"\r\n\r\n", b"\r\n"), (b"\n\n", b"\n")):
        if mail.endswith(blank):
            return mail.removesuffix(blank) + kept
    return mail
