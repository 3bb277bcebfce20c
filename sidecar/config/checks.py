"""What no single setting can know: whether the settings fit together. Each check names the sections that it reads.

A check is skipped when one of its sections is wrong in itself, so that one mistake isn't reported as five. Nothing is
asked of a CRM or a mailbox here: that is `sidecar check`, which needs a connection; this runs at each start.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sidecar.config.fields import FieldSection
from sidecar.config.packs import packs
from sidecar.config.problems import Problem, misspelt
from sidecar.config.secret import read_secret
from sidecar.config.sections import REFERENCE_LEDGER
from sidecar.config.settings import Settings
from sidecar.errors import ConfigError
from sidecar.links import Links, keys_in
from sidecar.model import SEVERAL, FieldClass
from sidecar.seal import Seal, keys_of

_PHRASE = re.compile(r"[^;\n\r]{1,80}")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_CHANNEL_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
_SCHEMES = ("sqlite", "postgresql")
_LEDGER = "ledger"
MAX_OPTION_DEPTH = 5


class Given(NamedTuple):
    """What a check may look at: the settings, the file as it was written, the environment, the file's folder."""

    settings: Settings
    file: Mapping[str, Any]
    env: Mapping[str, str]
    base: Path


def check(given: Given, broken: frozenset[str], *, secrets: bool = True) -> Iterator[Problem]:
    """Yield what doesn't fit together, but for what reads a section that is `broken` already."""
    for sections, found in (*_CHECKS, *(_OF_SECRETS if secrets else ())):
        if not sections & broken:
            yield from found(given)


def _journal(given: Given) -> Iterator[Problem]:
    section = given.settings.journal
    if section.url_env or section.url_file:
        if "url" in section.model_fields_set:
            yield Problem("journal.url", "is given twice; keep either url, or url_env and url_file")
        return
    parts = urlsplit(section.url)
    if parts.scheme not in _SCHEMES:
        yield Problem("journal.url", "write sqlite:/// and a path, or postgresql://host/database")
    elif parts.scheme == "sqlite" and (parts.netloc or len(parts.path) < 2):
        yield Problem("journal.url", "write three slashes and the path of a file, such as sqlite:///data/journal.db")
    in_file = given.file.get("journal", {}).get("url") == section.url
    if in_file and parts.password:
        yield Problem("journal.url", "a password is never written here: name a variable or file in url_env or url_file")


def _web(given: Given) -> Iterator[Problem]:
    web = given.settings.web
    if web.port and web.port == web.admin_port:
        yield Problem("web.admin_port", "is the same as web.port; metrics and admin listen apart from webhooks")
    has_key = bool(web.explain_key_env or web.explain_key_file)
    if has_key != bool(web.public_url):
        missing = "public_url" if has_key else "explain_key_env"
        yield Problem(f"web.{missing}", "is missing: the explain page needs both, and without both there is none")


def _channels(given: Given) -> Iterator[Problem]:
    for name, channel in given.settings.channels.items():
        if not _CHANNEL_NAME.fullmatch(name):
            yield Problem(f"channels.{name[:40]}", "name channels with lower-case letters, digits, single - or _")
        if name == _LEDGER:
            yield Problem(f"channels.{name}", "is the name of the CRM's own door and poll; choose another")
        if channel.every_s is not None and channel.cron is not None:
            yield Problem(f"channels.{name}.cron", "write either every_s or cron")
    for name in given.settings.notes.skip_channels:
        if name not in given.settings.channels:
            yield Problem("notes.skip_channels", misspelt(name, list(given.settings.channels), "channel"))


def _stages(given: Given) -> Iterator[Problem]:
    stages = given.settings.stages
    for name in stages.order:
        if not _NAME.fullmatch(name) or name == "order":
            yield Problem("stages.order", "name stages with lower-case letters, digits and single _")
    if len(set(stages.order)) < len(stages.order) or len(stages.order) < 2:
        yield Problem("stages.order", "list two stages or more, each once, first to last")
    for name, table in stages.tables.items():
        if name not in stages.order:
            yield Problem(f"stages.{name}", misspelt(name, stages.order, "stage in stages.order"))
        for to in table.to:
            if to not in stages.order:
                yield Problem(f"stages.{name}.to", misspelt(to, stages.order, "stage"))
        if name in table.to:
            yield Problem(f"stages.{name}.to", "a stage doesn't follow itself")
    for name in _unreached(given.settings):
        yield Problem(f"stages.{name}", "no transition leads here from the first stage; name it in another stage's to")


def _unreached(settings: Settings) -> Iterator[str]:
    order, tables = settings.stages.order, settings.stages.tables
    reached, frontier = set(order[:1]), list(order[:1])
    while frontier:
        table = tables.get(frontier.pop())
        fresh = [to for to in (table.to if table else ()) if to not in reached and to in order]
        reached.update(fresh)
        frontier.extend(fresh)
    return (name for name in order if name not in reached)


def _fields(given: Given) -> Iterator[Problem]:
    fields = given.settings.fields
    stage = fields.get("stage")
    if stage is None or not stage.enabled or stage.cls is not FieldClass.STATE or stage.type != "enum":
        yield Problem("fields.stage", "is needed: an enabled enum of class state")
    elif stage.values:
        yield Problem("fields.stage.values", "are the stages; list them in stages.order")
    taken: dict[str, str] = {}
    for name, field in fields.items():
        if not _NAME.fullmatch(name) or name == "step":
            yield Problem(
                f"fields.{name[:40]}", "name fields with lower-case letters, digits and single _; step is taken"
            )
        yield from _values(name, field)
        for target in field.targets if field.enabled else ():
            if taken.setdefault(target, name) != name:
                yield Problem(f"fields.{name}.targets", f"{target} is the target of {taken[target]} already")


def _key_fields(given: Given) -> Iterator[Problem]:
    for name in given.settings.inference.key_fields:
        if name not in given.settings.fields:
            yield Problem("inference.key_fields", f"there is no field {name[:40]!r}")


def _values(name: str, field: FieldSection) -> Iterator[Problem]:
    """A single value is an id in the CRM; several at once are words there, joined by `; `."""
    if name != "stage" and (field.type in ("enum", SEVERAL)) != bool(field.values):
        yield Problem(f"fields.{name}.values", "list the values of an enum or of enums, and of nothing else")
    elif field.type == SEVERAL:
        if not all(_PHRASE.fullmatch(value) for value in field.values):
            yield Problem(f"fields.{name}.values", "write values of 80 characters at most, without ;")
    elif not all(_NAME.fullmatch(value) for value in field.values):
        yield Problem(f"fields.{name}.values", "write values with lower-case letters, digits and single _")
    if len({value.casefold() for value in field.values}) < len(field.values):
        yield Problem(f"fields.{name}.values", "list each value once")


def _prompts(given: Given) -> Iterator[Problem]:
    if given.settings.prompts.gate and given.settings.prompts.auto_adopt:
        yield Problem(
            "prompts.auto_adopt", "is at odds with prompts.gate, which lets nothing in force without a report"
        )
    known = list(packs())
    for name in given.settings.prompts.packs:
        if name not in known:
            yield Problem("prompts.packs", misspelt(name, known, "pack"))


def _score(given: Given) -> Iterator[Problem]:
    """Look at what was written: what the defaults weigh may have gone from the fields."""
    written, fields = given.file.get("score"), given.settings.fields
    for name, table in (written if isinstance(written, Mapping) else {}).items():
        if not isinstance(table, Mapping):
            continue
        if name not in fields or not fields[name].values:
            listed = [other for other, field in fields.items() if field.values]
            yield Problem(f"score.{name}", misspelt(name, listed, "field with a list of values"))
            continue
        for value in table:
            if value not in fields[name].values:
                yield Problem(f"score.{name}.{value[:80]}", misspelt(value, fields[name].values, f"value of {name}"))


def _create(given: Given) -> Iterator[Problem]:
    order = given.settings.stages.order
    deal = given.settings.crm.create.deal
    if deal not in ("never", "suggest", *order):
        yield Problem("crm.create.deal", misspelt(deal, ["never", "suggest", *order], "choice"))


def _routes(given: Given) -> Iterator[Problem]:
    settings = given.settings
    channels = list(settings.channels)
    whole = None
    for i, route in enumerate(settings.route):
        key = f"route.{i}"
        if route.name in {other.name for other in settings.route[:i]}:
            yield Problem(f"{key}.name", "another route has this name")
        if whole:
            yield Problem(f"{key}.match", f"nothing comes this far: {whole}, before it, takes everything")
        if not route.match.channel and not route.match.address:
            whole = f"route.{i}"
        for name in route.match.channel:
            if name not in channels:
                yield Problem(f"{key}.match.channel", misspelt(name, channels, "channel"))


def _stage_maps(given: Given) -> Iterator[Problem]:
    settings = given.settings
    order = settings.stages.order
    is_vendor = settings.crm.type != REFERENCE_LEDGER
    if is_vendor and not settings.route:
        yield Problem(
            "route", f"a CRM's own stages must be mapped: write a [[route]] with stages for {', '.join(order)}"
        )
    for i, route in enumerate(settings.route):
        if not route.stages and not is_vendor:
            continue
        for name in order:
            if name not in route.stages:
                yield Problem(f"route.{i}.stages.{name}", "is not mapped; name the pipeline's stage that it stands for")
        for name in route.stages:
            if name not in order:
                yield Problem(f"route.{i}.stages.{name}", misspelt(name, order, "stage"))


def _secrets(given: Given) -> Iterator[Problem]:
    settings = given.settings
    tables: list[tuple[str, Mapping[str, Any]]] = [("crm", settings.crm.options), ("llm", settings.llm.options)]
    tables.append(("transcriber", settings.transcriber.options))
    tables += [(f"channels.{name}", channel.options) for name, channel in settings.channels.items()]
    tables += [(f"ops.{name}", options) for name, options in settings.ops.notifiers.items()]
    tables.append(("journal", settings.journal.model_dump(exclude={"url"}, exclude_none=True)))
    tables.append(("web", settings.web.model_dump(include={"explain_key_env", "explain_key_file"}, exclude_none=True)))
    tables.append(("tokens", settings.tokens.model_dump(exclude_none=True)))
    for section, options in tables:
        yield from _missing(section, options, given, MAX_OPTION_DEPTH)


def _explain_keys(given: Given) -> Iterator[Problem]:
    """Try the keys of the explain page, where they are there: `_secrets` says when they aren't."""
    web = given.settings.web
    try:
        keys = keys_in(read_secret(web.explain_key_env, web.explain_key_file, given.env, given.base))
    except ConfigError:
        return
    try:
        Links(web.public_url, keys, web.explain_days)
    except ConfigError as error:
        yield Problem("web.explain_key_env" if web.explain_key_env else "web.explain_key_file", str(error))


def _token_keys(given: Given) -> Iterator[Problem]:
    """Try the keys that seal tokens, where they are there."""
    tokens = given.settings.tokens
    try:
        secret = read_secret(tokens.key_env, tokens.key_file, given.env, given.base)
    except ConfigError:
        return
    try:
        Seal(keys_of(secret))
    except ConfigError as error:
        yield Problem("tokens.key_env" if tokens.key_env else "tokens.key_file", str(error))


def _missing(section: str, options: Mapping[str, Any], given: Given, depth: int) -> Iterator[Problem]:
    """Try each secret that is named; `x_env` and `x_file` name the same one."""
    named: dict[str, dict[str, str]] = {}
    for key, value in options.items():
        name, _, kind = key.rpartition("_")
        if name and kind in ("env", "file") and isinstance(value, str):
            named.setdefault(name, {})[kind] = value
        elif isinstance(value, Mapping) and depth:
            yield from _missing(f"{section}.{key}", value, given, depth - 1)
    for name, kinds in named.items():
        yield from _unread(f"{section}.{name}", kinds.get("env"), kinds.get("file"), given)


def _unread(key: str, env: str | None, file: str | None, given: Given) -> Iterator[Problem]:
    """Try the file first, even where the environment would win, so that an open one is never left lying about."""
    tries: list[tuple[str, str | None]] = [("_file", None)] if file and (given.base / file).exists() else []
    for suffix, name in (*tries, ("_env" if env else "_file", env)):
        try:
            read_secret(name, file, given.env, given.base)
        except ConfigError as error:
            yield Problem(key + suffix, str(error))
            return


Check = Callable[[Given], Iterable[Problem]]
_CHECKS: tuple[tuple[frozenset[str], Check], ...] = (
    (frozenset({"journal"}), _journal),
    (frozenset({"web"}), _web),
    (frozenset({"channels", "notes"}), _channels),
    (frozenset({"stages"}), _stages),
    (frozenset({"fields"}), _fields),
    (frozenset({"fields", "score"}), _score),
    (frozenset({"prompts"}), _prompts),
    (frozenset({"fields", "inference"}), _key_fields),
    (frozenset({"crm", "stages"}), _create),
    (frozenset({"route", "channels"}), _routes),
    (frozenset({"route", "crm", "stages"}), _stage_maps),
)
_OF_SECRETS: tuple[tuple[frozenset[str], Check], ...] = (
    (frozenset({"crm", "llm", "channels", "journal", "ops", "tokens", "transcriber", "web"}), _secrets),
    (frozenset({"web"}), _explain_keys),
    (frozenset({"tokens"}), _token_keys),
)
