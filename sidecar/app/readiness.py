"""What must be true before anything is written to a CRM: properties exist, stages have places, routes prompts.

An owner who has left must not stop the sidecar: what was theirs goes to the configured one, and `check` names them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sidecar.model import OFF, REVIEW, SEVERAL, FieldPolicy, Mode, Policy, Route
from sidecar.ports import FieldSpec, Pipeline

_DEAL_NATIVE = ("name", "stage", "pipeline", "owner")
PIN_CHARS = 250
_MODES = (Mode.AUTO.value, Mode.SUGGEST.value, OFF)
_MODE = "Yours: off keeps the AI from writing here, suggest holds it to suggestions; empty is as configured."
_PIN = "Yours: the fields that the AI leaves as they are here, such as: stage, budget"
_REVIEW = "accept_all or reject_all answers what waits in AI suggestions; the AI then says ok again."
_TYPES = {"text": "text", "long_text": "long_text", SEVERAL: "text"}


def wanted_properties(policy: Policy, kinds: Collection[str]) -> Mapping[str, Sequence[FieldSpec]]:
    """Return the AI-owned properties that the policy writes, by record kind.

    Where a CRM keeps the history of so many only, it is kept of the first: of what people answer and steer us by, then
    of what they correct, and last of what follows from a formula and nobody types.
    """
    wanted: dict[str, list[FieldSpec]] = {}
    for field in sorted(policy.fields.values(), key=lambda field: (field.name != REVIEW, field.grounding != "quoted")):
        for target in field.targets:
            if target.kind in kinds and not field.native:
                wanted.setdefault(target.kind, []).append(_spec(field, target.property))
    for kind in wanted.keys() & {"contact", "deal"}:
        wanted[kind] = [*_of_people(policy), *wanted[kind]]
    return wanted


def _of_people(policy: Policy) -> list[FieldSpec]:
    """Return the properties by which people steer us, which begin empty and stay theirs."""
    specs = {
        policy.mode_property: FieldSpec(policy.mode_property, "enum", "AI Mode", _MODES, ours=True, help=_MODE),
        policy.pin_property: FieldSpec(policy.pin_property, "text", "AI Pin", (), PIN_CHARS, ours=True, help=_PIN),
    }
    return [spec for name, spec in specs.items() if name]


def _spec(field: FieldPolicy, name: str) -> FieldSpec:
    label = name.removeprefix("ai_").replace("_", " ").capitalize()
    if field.type == SEVERAL:
        return FieldSpec(name, "text", f"AI {label}", (), _room(field), True, True)
    kind = "enum" if field.values else _TYPES.get(field.type, field.type)
    room, help_ = None if field.values else _room(field), _REVIEW if field.name == REVIEW else ""
    return FieldSpec(name, kind, f"AI {label}", field.values, room, True, True, help_)


def _room(field: FieldPolicy) -> int | None:
    return field.max_chars if field.type in _TYPES else None


def writable(policy: Policy, mode: Mode, kinds: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Return the properties that the policy may write in a mode, by record kind, those of the CRM's own among them."""
    found = {
        kind: [spec.name for spec in specs if spec.name not in policy.of_people]
        for kind, specs in wanted_properties(policy, kinds).items()
    }
    if mode is Mode.AUTO:
        for field in policy.fields.values():
            for target in field.targets:
                if field.native and target.kind in kinds:
                    found.setdefault(target.kind, []).append(target.property)
        if "deal" in kinds:
            found.setdefault("deal", []).extend(_DEAL_NATIVE)
    return found


def unmapped(policy: Policy, pipelines: Sequence[Pipeline], *, is_vendor: bool) -> list[str]:
    """Return a line for each stage that a route sends nowhere; a CRM without pipelines has no places to ask for.

    A vendor's stages are never taken to mean what ours of the same name do.
    """
    if not pipelines:
        return []
    return [line for route in policy.routes for line in _unmapped(route, policy, pipelines, is_vendor)]


def with_owners(policy: Policy, owners: Mapping[str, str], fallback: str) -> tuple[Policy, list[tuple[str, str]]]:
    """Return the policy with each route's owner as the CRM's id, and the unknown ones as (route, owner).

    `owners` are the CRM's, id to e-mail address; in place of an unknown owner stands the fallback, if it is known.
    """
    ids = {address.casefold(): ref for ref, address in owners.items()} | {ref.casefold(): ref for ref in owners}
    instead = ids.get(fallback.casefold(), "")
    unknown = [(r.name, r.owner) for r in policy.routes if r.owner and r.owner.casefold() not in ids]
    routes = tuple(replace(r, owner=ids.get(r.owner.casefold(), instead if r.owner else "")) for r in policy.routes)
    return replace(policy, routes=routes), unknown


def unprompted(policy: Policy, prompts: Collection[str]) -> list[str]:
    """Return a line for each route whose prompt doesn't exist."""
    return [
        f"route {route.name}.prompt: there is no {route.prompt!r}; known are {', '.join(sorted(prompts))}"
        for route in policy.routes
        if route.prompt not in prompts
    ]


def _unmapped(route: Route, policy: Policy, pipelines: Sequence[Pipeline], is_vendor: bool) -> list[str]:
    pipeline = next((p for p in pipelines if p.ref == (route.pipeline or pipelines[0].ref)), None)
    if pipeline is None:
        known = ", ".join(p.ref for p in pipelines)
        return [f"route {route.name}.pipeline: there is no {route.pipeline!r} in the CRM; known are {known}"]
    theirs = {ref for ref, _ in pipeline.stages}
    known = f"the pipeline {pipeline.ref!r}; known are {', '.join(sorted(theirs))}"
    lines = []
    for stage in policy.stages:
        mapped = route.stages.get(stage, None if is_vendor else stage)
        if mapped is None:
            lines.append(f"route {route.name}.stages.{stage}: is not mapped to a stage of {known}")
        elif mapped not in theirs:
            lines.append(f"route {route.name}.stages.{stage}: {mapped!r} is no stage of {known}")
    return lines
