"""Microsoft 365 by Graph: a mailbox and its calendar, each a channel of its own over the same few calls.

Graph's notifications are hints: they name what changed and are not signed, so what counts is asked for by a poll. Both
channels read alone and change nothing in the mailbox.
"""
