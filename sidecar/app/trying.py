"""What is tried out: a prompt, a model or an adapter that need not be the configured one, without a journal.

An evaluation must run in a fresh checkout and on a build machine, so it makes the model's adapter without opening the
book. Only a prompt that is asked for as it was adopted (`NAME@in-force`, `NAME@HASH`) is looked up there.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sidecar.app import App
from sidecar.config import Settings
from sidecar.config.sections import LlmSection
from sidecar.errors import ConfigError, PermanentError
from sidecar.evaluate import Side
from sidecar.model import Prompt
from sidecar.ports import LLM, Clock, Context
from sidecar.prompts import folder, load, parse

IN_FORCE = "in-force"
KEYS = ("prompt", "llm", "model", "effort")
MAX_FILE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to try; an empty word is as configured.

    `prompt` is a file (`x.md`), a name in the prompts' folder, or one that was adopted: `NAME@in-force`, `NAME@HASH`.
    """

    prompt: str = ""
    llm: str = ""
    model: str = ""
    effort: str = ""

    def but(self, told: list[str]) -> "Wanted":
        """Return the same but for what `KEY=VALUE` words say."""
        given = {key: getattr(self, key) for key in KEYS}
        for one in told:
            key, is_told, value = one.partition("=")
            if not is_told or key.strip() not in KEYS:
                raise PermanentError(f"write KEY=VALUE with one of {', '.join(KEYS)}, and not {one!r}")
            given[key.strip()] = value.strip()
        if given["llm"] != self.llm and "model" not in {one.partition("=")[0].strip() for one in told}:
            given["model"] = given["effort"] = ""  # another adapter's models have other names
        return Wanted(**given)


class Bookless(App):
    """An app that opens no journal for its adapters."""

    @cached_property
    def context(self) -> Context:
        """What every adapter is given, but for when the journal began."""
        settings = self.settings
        return Context(clock=self.clock, own=settings.own(), base=settings.base, secret=settings.secret)


def side(settings: Settings, wanted: Wanted, clock: Clock, name: str, opened: App | None = None) -> Side:
    """Return what to measure; `ConfigError` or `PermanentError` for what isn't there.

    The journal is opened only for a prompt that was adopted, and not where an app is `opened` already.
    """
    prompt = _prompt(settings, wanted.prompt, lambda: nullcontext(opened) if opened else App(settings, clock))
    return Side(
        name=name,
        prompt=replace(prompt, model="", effort=""),  # whom it asks for is the side's model by now
        policy=settings.policy(),
        own=settings.own(),
        llm=_model(Bookless(settings, clock), wanted, prompt),
        hard=settings.hard(),
        quiet_s=settings.inference.quiet_s,
        max_wait_s=settings.inference.max_wait_s,
    )


def _prompt(settings: Settings, named: str, opened: Callable[[], AbstractContextManager[App]]) -> Prompt:
    """Return a prompt by its file, its name, or its name and version."""
    named = named or settings.policy().routes[0].prompt
    file = Path(named)
    if file.suffix == ".md":
        return parse(_text(file), file.name, settings.fields, settings.without_criteria())
    name, is_versioned, version = named.partition("@")
    if is_versioned:
        with opened() as app:
            return _adopted(app, name, version)
    known = load(folder(settings.base), settings.fields, settings.without_criteria())
    if name not in known:
        raise PermanentError(f"there is no prompt {name!r}; there are {', '.join(known)}, or name a file: new.md")
    return known[name]


def _adopted(app: App, name: str, version: str) -> Prompt:
    if version == IN_FORCE:
        in_force = app.shelf.states().in_force
        if name not in in_force:
            raise PermanentError(f"no prompt {name!r} is in force; there are {', '.join(in_force)}")
        return in_force[name]
    shas = list(dict.fromkeys(a.sha256 for a in app.shelf.history(name) if a.sha256.startswith(version)))
    if not version or len(shas) != 1:
        raise PermanentError(f"{version!r} names {len(shas)} versions of {name}: sidecar prompts history {name}")
    return app.shelf.version(name, shas[0])


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{file} is too large for a prompt")
        return file.read_bytes().decode()
    except OSError as error:
        raise ConfigError(f"{file} can't be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8") from None


def _model(app: App, wanted: Wanted, prompt: Prompt) -> LLM:
    """Return the model: what is asked for, else what the prompt says, else the config's."""
    if wanted.llm and wanted.llm != app.settings.llm.type:
        section = LlmSection(type=wanted.llm)
        app = Bookless(app.settings.model_copy(update={"llm": section}), app.clock)
    llm = app.llm
    told = replace(prompt, model="", effort="") if llm.capabilities.is_baseline else prompt
    model, effort = wanted.model or told.model, wanted.effort or (told.effort if llm.capabilities.efforts else "")
    return llm.like(model, effort) if model or effort else llm
