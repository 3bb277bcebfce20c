"""Takes a person's word that a channel's source is the one it was, and has only moved: another host, another address.

Nobody but a person can know that. What the cursors say may mean nothing at the new place, so they are forgotten and the
next poll begins where the channel's first one did; what is in the book under the same ids comes in only once. The book
remembers the new source at once, so that a server which still runs with the old settings stands still and doesn't read
the old one again. The trade-off: an id names the account, so a mailbox that is called otherwise now is heard twice for
that time.
"""

from sidecar.app import App
from sidecar.app.connecting import let_go_on
from sidecar.errors import PermanentError
from sidecar.journal import Entry, Touch
from sidecar.model import WorkKey, WorkKind
from sidecar.pipeline.sources import SOURCE


def moved(app: App, name: str) -> tuple[str, str]:
    """Let a channel begin anew with the source that its settings name; returns what it was, and what it is."""
    if name not in app.settings.channels:
        known = ", ".join(app.settings.channels) or "none"
        raise PermanentError(f"there is no channel {name!r}; configured are {known}")
    was, now = app.journal.meta(SOURCE + name), app.channel(name).source
    if not was or not now or was == now:
        told = f"it reads {was}, as before" if was else "nothing has been read under its name"
        raise PermanentError(f"{name} hasn't moved: {told}")
    app.journal.begin_anew(name, {SOURCE + name: now})
    let_go_on(app, name)
    app.journal.commit(Entry(touches=(Touch(WorkKey(WorkKind.POLL, name)),)))
    return was, now
