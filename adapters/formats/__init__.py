"""Shared parsers for what channels hand over: mails, quoted replies, HTML, transcripts, calendars.

They stand here because several channels need the same ones (a mail arrives by IMAP, by a provider's API and as a file),
and one reading of a mail must be the same whichever way it came. They are pure: bytes in, frozen dataclasses out, no
file, network, clock or environment, so that a check can derive an activity's text again from its raw bytes at any time.

Everything that comes in was written by a stranger. Each parser therefore answers with its result or with a
`PermanentError` that names the reason and the figure, and with nothing else; what it had to guess, replace or leave out
is listed in `problems`. Bounds are checked before the costly step, never after it. Libraries that only some
deliveries need are imported where they are used.
"""
