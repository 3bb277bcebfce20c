"""Mail, folders and calendar of the twin's one mailbox, as a GET of Graph tells them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.twins.graph.shapes import folder, selected, whole

if TYPE_CHECKING:
    from tests.twins.graph import GraphTwin

Told = tuple[int, Any]
SIZE = "Integer 0x0E08"


@dataclass(frozen=True)
class Asked:
    """A question: its path, the steps below the mailbox, the query, and how large a page may be."""

    path: str
    steps: Sequence[str]
    query: Mapping[str, str]
    size: int
    token: str = ""

    @property
    def unfolded(self) -> "Asked":
        """Return the question with the query that its token carries, as Graph's tokens do."""
        folded = self.query.get("$skiptoken") or self.query.get("$deltatoken")
        if not folded:
            return self
        token, _, carried = folded.partition("!")
        return replace(self, query=dict(part.split("=", 1) for part in carried.split("&") if part), token=token)


class Mailboxes:
    """Answers a GET; the twin holds the lock."""

    def __init__(self, twin: "GraphTwin") -> None:
        self.twin = twin

    def answer(self, asked: Asked, base: str) -> Told:
        """Return a status, and a body or an error's code."""
        asked = asked.unfolded
        steps, select = asked.steps, asked.query.get("$select", "")
        match list(steps):
            case ["mailFolders"]:
                return self._listed(asked, base, self._folders(asked.query.get("$filter", ""), "AQMkroot=="))
            case ["mailFolders", parent, "childFolders"]:
                return self._listed(asked, base, self._folders(asked.query.get("$filter", ""), parent))
            case ["mailFolders", name]:
                return self._folder(name, select)
            case ["mailFolders", id, "messages", *_] if not self._is_there(id):
                return 404, ""
            case ["mailFolders", name, "messages"]:
                return self._messages(asked, base, name)
            case ["mailFolders", name, "messages", "delta"]:
                return self._messages_delta(asked, base, name)
            case ["calendarView"]:
                return self._listed(asked, base, [selected(row, select) for row in self._view(self._window(asked))])
            case ["calendarView", "delta"]:
                return self._view_delta(asked, base)
            case ["events"]:
                return self._listed(asked, base, list(self.twin.events.values()))
        return self._item(steps, select)

    def _item(self, steps: Sequence[str], select: str) -> Told:
        match list(steps):
            case ["messages", id]:
                return self._one(self.twin.messages.get(id), select)
            case ["messages", id, "$value"]:
                return (200, self.twin.mime[id]) if id in self.twin.mime else (404, "")
            case ["events", id]:
                return self._one(self.twin.events.get(id), select)
        return 404, "UnknownPath"

    def _one(self, thing: Mapping[str, Any] | None, select: str) -> Told:
        return (404, "") if thing is None else (200, whole(selected(thing, select)))

    def _folder(self, name: str, select: str) -> Told:
        wanted = name.casefold()
        found = next((id for id, (known, *_) in self.twin.folders.items() if id == name or known == wanted != ""), None)
        if found is None:
            return (404, "") if name.endswith("==") else (400, "ErrorInvalidIdMalformed")
        return self._one(self._shown(found), select)

    def _is_there(self, name: str) -> bool:
        return any(name in (id, *names[:2]) for id, names in self.twin.folders.items())

    def _shown(self, id: str) -> dict[str, Any]:
        _, shown, parent = self.twin.folders[id]
        return folder(id, shown, parent, sum(row["parentFolderId"] == id for row in self.twin.messages.values()))

    def _folders(self, chosen: str, parent: str) -> list[dict[str, Any]]:
        rows = [self._shown(id) for id, (_, _, inside) in self.twin.folders.items() if inside == parent]
        named = re.fullmatch(r"displayName eq '(.*)'", chosen)
        return [row for row in rows if not named or row["displayName"] == named[1].replace("''", "'")]

    def _messages(self, asked: Asked, base: str, name: str) -> Told:
        chosen = asked.query.get("$filter", "")
        bounds = dict(re.findall(r"receivedDateTime (ge|lt) (\S+)", chosen))
        rows = [row for row in self.twin.messages.values() if row["parentFolderId"] == self.twin.folder_id(name)]
        rows = [
            row
            for row in rows
            if bounds.get("ge", "") <= row["receivedDateTime"] and row["receivedDateTime"] < bounds.get("lt", "9")
        ]
        rows.sort(
            key=lambda row: (row["receivedDateTime"], row["id"]), reverse="asc" not in asked.query.get("$orderby", "")
        )
        shown = [self._expanded(row, selected(row, asked.query.get("$select", "")), asked) for row in rows]
        return self._listed(asked, base, shown)

    def _expanded(self, row: Mapping[str, Any], shown: dict[str, Any], asked: Asked) -> dict[str, Any]:
        if SIZE not in asked.query.get("$expand", ""):
            return shown
        size = {"id": "Integer 0xe08", "value": str(len(self.twin.mime[row["id"]]))}
        return {**shown, "singleValueExtendedProperties": [size]}

    def _messages_delta(self, asked: Asked, base: str, name: str) -> Told:
        scope, select = self.twin.folder_id(name), asked.query.get("$select", "")
        is_created = asked.query.get("changeType") == "created"

        def rows(since: int | None) -> list[dict[str, Any]]:
            here = {id: row for id, row in self.twin.messages.items() if row["parentFolderId"] == scope}
            if since is None:
                return [selected(row, select) for row in here.values()]
            found = []
            for what, id in self.twin.changed(scope, since):
                if what == "deleted" or id not in here:
                    found += [] if is_created else [{"@removed": {"reason": "deleted"}, "id": id}]
                elif what == "created":
                    found.append(selected(here[id], select))
                elif not is_created:
                    found.append({"@odata.type": "#microsoft.graph.message", "id": id, "isRead": here[id]["isRead"]})
            return found

        return self._delta(asked, base, f"{scope}|{select}|{is_created}", rows)

    def _view_delta(self, asked: Asked, base: str) -> Told:
        def rows(since: int | None) -> list[dict[str, Any]]:
            window = self._window(asked)
            seen = {row["id"]: row for row in self._view(window)}
            if since is None:
                return list(seen.values())
            found = []
            for what, id in self.twin.changed("calendar", since):
                days = [row for row in seen.values() if row.get("seriesMasterId") == id]
                if id in seen:
                    found.append(seen[id])
                elif days:
                    found += days
                else:  # outside of the window, or gone: told alike
                    found.append({"@removed": {"reason": "deleted"}, "id": id})
                assert what
            return found

        return self._delta(asked, base, "calendar", rows)

    def _delta(self, asked: Asked, base: str, scope: str, rows: Callable[[int | None], list[dict[str, Any]]]) -> Told:
        twin = self.twin
        if asked.token:
            told, token, is_last = twin.rounds.next(asked.token, scope, rows, twin.now, asked.size)
        else:
            told, token, is_last = twin.rounds.first(scope, rows, twin.now, asked.size)
        carried = quote(f"{token}!{_packed(asked.query)}", safe="!")
        link = f"{base}{asked.path}?{'$deltatoken' if is_last else '$skiptoken'}={carried}"
        context = {"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Collection(x)"}
        return 200, {**context, "@odata.deltaLink" if is_last else "@odata.nextLink": link, "value": told}

    def _window(self, asked: Asked) -> tuple[str, str]:
        query = {name.casefold(): value for name, value in asked.query.items()}
        return query["startdatetime"][:19], query["enddatetime"][:19]

    def _view(self, window: tuple[str, str]) -> list[dict[str, Any]]:
        rows = [row for row in self.twin.events.values() if row["type"] != "seriesMaster"]
        rows += [{**day} for days in self.twin.days.values() for day in days]
        return [row for row in rows if row["end"]["dateTime"] > window[0] and row["start"]["dateTime"] < window[1]]

    def _listed(self, asked: Asked, base: str, rows: list[dict[str, Any]]) -> Told:
        begin, size = int(asked.query.get("$skip", "0")), int(asked.query.get("$top", asked.size))
        body: dict[str, Any] = {
            "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#x",
            "value": rows[begin:][:size],
        }
        if len(rows) > begin + size:
            query = {**asked.query, "$skip": str(begin + size)}
            told = "&".join(f"{quote(name, safe='$')}={quote(value, safe='')}" for name, value in query.items())
            body["@odata.nextLink"] = f"{base}{asked.path}?{told}"
        return 200, body


def _packed(query: Mapping[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in sorted(query.items()) if "token" not in name)
