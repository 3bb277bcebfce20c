"""What an operator must know before it goes live: is the token good, what does it lack, what else acts on our fields.

Every missing scope is named with its remedy. Where HubSpot tells what a token may do, that is believed; where it
doesn't (nobody documents it for service keys, 2026-11), each right is tried by a call that does nothing: a list of one,
or a batch of none. Workflows are read only where the options say that they may be; else the answer is that they can't.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from adapters.crms.hubspot.faults import Refusal
from adapters.crms.hubspot.history import Histories
from adapters.crms.hubspot.options import HubSpotOptions
from adapters.crms.hubspot.portal import Portal
from adapters.crms.hubspot.shapes import Flow, Flows, Shape, Things, Token, Usages
from adapters.crms.hubspot.vendor import FLOWS, OBJECTS, SCOPES, TOKEN_INFO, TYPE_IDS, chunks
from sidecar.errors import ConfigError, PermanentError, SidecarError, UnsupportedFeature

MAX_FLOW_PAGES = 20
LOW = 0.9
"""Share of the day's calls beyond which an operator should know."""


class Readiness:
    """Looks at one account with an operator's eyes."""

    def __init__(self, portal: Portal, histories: Histories, options: HubSpotOptions) -> None:
        self._portal, self._histories, self._options = portal, histories, options

    def check(self) -> list[str]:
        """Say what is wrong with access, one line each with its remedy."""
        self._portal.forget()
        try:
            self._portal.account()
        except SidecarError as error:
            return [str(error)]
        lines = [*self._missing_scopes(), *self._used_up(), *self._mistaken()]
        return list(dict.fromkeys(lines))

    def automations(self, properties: Mapping[str, Sequence[str]]) -> list[str]:
        """Name each enabled workflow that reads or writes one of these properties."""
        if not self._options.automations:
            raise UnsupportedFeature(
                "workflows are not read: set crm.automations = true and give the token the scope automation, "
                "or look through Automation > Workflows for the properties yourself"
            )
        kinds = {TYPE_IDS[kind]: kind for kind in properties if kind in TYPE_IDS}
        flows = [flow for flow in self._flows() if flow.enabled and flow.type_id in kinds]
        lines = []
        for flow in self._whole(flows):
            kind = kinds[flow.type_id]
            named = [name for name in properties[kind] if self._speaks_of(flow, kind, name)]
            if named:
                lines.append(f"workflow {flow.id} ({flow.name or 'unnamed'}) acts on {kind}.{', '.join(named)}")
        return lines

    def _missing_scopes(self) -> Iterator[str]:
        known = self._known_scopes()
        if known is not None:
            missing = [scope for scope in SCOPES if scope not in known]
            if missing:
                yield f"the token lacks {', '.join(missing)}: add them to the service key or app in HubSpot"
            return
        for attempt in self._attempts():
            try:
                attempt()
            except Refusal:
                continue  # an empty batch is refused for what it is, which takes the right to send one
            except ConfigError as error:
                yield str(error)
            except SidecarError as error:
                yield f"HubSpot could not be asked for everything: {error}"
                return

    def _known_scopes(self) -> set[str] | None:
        """Return the scopes that HubSpot tells of a private app's token, None where it tells nothing."""
        try:
            found = self._portal.wire.ask(Token, "token", TOKEN_INFO, {"tokenKey": self._portal.wire.token})
        except SidecarError:
            return None  # a service key, or a version that has no such call: then each right is tried
        return set(found.scopes) or None

    def _attempts(self) -> Iterator[Callable[[], object]]:
        wire, paths = self._portal.wire, self._portal.paths
        one, none = {"limit": "1"}, {"inputs": []}  # type: ignore[var-annotated]
        for kind in OBJECTS:
            yield lambda kind=kind: wire.get(Things, "list", paths.objects(kind), one)  # type: ignore[misc]
            yield lambda kind=kind: self._portal.catalogue(kind)  # type: ignore[misc]
            yield lambda kind=kind: wire.ask(Shape, "probe", paths.objects(kind, "batch", "update"), none)  # type: ignore[misc]
        for kind in ("contact", "company", "deal"):
            yield lambda kind=kind: wire.ask(Shape, "probe", paths.properties(kind, "batch", "create"), none)  # type: ignore[misc]
        yield self._portal.owners
        yield self._portal.pipelines

    def _used_up(self) -> Iterator[str]:
        path = self._portal.paths.account("api-usage", "daily", "private-apps")
        try:
            usages = self._portal.wire.get(Usages, "usage", path).results
        except SidecarError:
            return  # not told to every token; the limit itself tells when it is reached
        for usage in usages:
            if usage.limit and usage.used > LOW * usage.limit:
                yield (
                    f"{usage.used:.0f} of the account's {usage.limit:.0f} calls of this day are used: "
                    "raise crm.every_s, or buy calls"
                )

    def _mistaken(self) -> Iterator[str]:
        given, learnt = self._options.app_id, self._histories.learnt
        if given and learnt and given not in learnt:
            yield f"crm.app_id: our own writes are under {', '.join(sorted(learnt))}, not {given}"

    def _flows(self) -> Iterator[Flow]:
        query = {"limit": "100"}
        for _ in range(MAX_FLOW_PAGES):
            page = self._portal.wire.get(Flows, "flows", FLOWS, query)
            yield from page.results
            if not page.paging or not page.paging.next or not page.paging.next.after:
                return
            query["after"] = page.paging.next.after
        raise PermanentError(f"there are more than {MAX_FLOW_PAGES * 100} workflows: look through them in HubSpot")

    def _whole(self, flows: Sequence[Flow]) -> Iterator[Flow]:
        """Yield workflows with their steps, where they can be read; without them, each is suspect."""
        for part in chunks(flows, 100):
            inputs = [{"flowId": flow.id, "type": "FLOW_ID"} for flow in part]
            try:
                found = self._portal.wire.ask(Flows, "flows", f"{FLOWS}/batch/read", {"inputs": inputs})
            except Refusal:
                yield from part
                continue
            whole = {flow.id: flow for flow in found.results}
            yield from (whole.get(flow.id, flow) for flow in part)

    def _speaks_of(self, flow: Flow, kind: str, name: str) -> bool:
        steps = flow.model_extra or {}
        if "actions" not in steps and "enrollmentCriteria" not in steps:
            return True
        held = self._portal.catalogue(kind).find(name)
        vendor = held.vendor if held else (name,)
        text = json.dumps(steps, default=str)
        return any(json.dumps(one) in text for one in vendor)
