"""What must be true before anything is written to a CRM: properties exist, stages have places, routes prompts."""

from collections.abc import Collection, Mapping, Sequence

from sidecar.model import FieldPolicy, Policy, Route
from sidecar.ports import FieldSpec, Pipeline

_TYPES = {"text": "text", "long_text": "long_text"}


def wanted_properties(policy: Policy, kinds: Collection[str]) -> Mapping[str, Sequence[FieldSpec]]:
    """Return the AI-owned properties that the policy writes, by record kind."""
    wanted: dict[str, list[FieldSpec]] = {}
    for field in policy.fields.values():
        for target in field.targets:
            if target.kind in kinds and not field.native:
                wanted.setdefault(target.kind, []).append(_spec(field, target.property))
    return wanted


def _spec(field: FieldPolicy, name: str) -> FieldSpec:
    label = name.removeprefix("ai_").replace("_", " ").capitalize()
    kind = "enum" if field.values else _TYPES.get(field.type, field.type)
    return FieldSpec(name, kind, f"AI {label}", field.values, None if field.values else _room(field), True, True)


def _room(field: FieldPolicy) -> int | None:
    return field.max_chars if field.type in _TYPES else None


def unmapped(policy: Policy, pipelines: Sequence[Pipeline]) -> list[str]:
    """Return a line for each stage that a route sends nowhere; a CRM without pipelines has no places to ask for."""
    if not pipelines:
        return []
    return [line for route in policy.routes for line in _unmapped(route, policy, pipelines)]


def unprompted(policy: Policy, prompts: Collection[str]) -> list[str]:
    """Return a line for each route whose prompt doesn't exist."""
    return [
        f"route {route.name}.prompt: there is no {route.prompt!r}; known are {', '.join(sorted(prompts))}"
        for route in policy.routes
        if route.prompt not in prompts
    ]


def _unmapped(route: Route, policy: Policy, pipelines: Sequence[Pipeline]) -> list[str]:
    pipeline = next((p for p in pipelines if p.ref == (route.pipeline or pipelines[0].ref)), None)
    if pipeline is None:
        known = ", ".join(p.ref for p in pipelines)
        return [f"route {route.name}.pipeline: there is no {route.pipeline!r} in the CRM; known are {known}"]
    theirs = {ref for ref, _ in pipeline.stages}
    return [
        f"route {route.name}.stages.{stage}: {route.stages.get(stage, stage)!r} is no stage of the pipeline "
        f"{pipeline.ref!r}; known are {', '.join(sorted(theirs))}"
        for stage in policy.stages
        if route.stages.get(stage, stage) not in theirs
    ]
