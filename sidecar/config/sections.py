"""The sections of the config file, one class each; names, types, bounds and defaults live here and nowhere else.

They may not know a vendor's key: a section that belongs to an adapter keeps every key that isn't the core's own as
`options`, for the adapter's own model to judge. What needs to look at two settings at once is in `checks`, what a field
is in `fields`; the default stages and fields are data, in `defaults.toml`, so that a config may change one key of one.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator

from sidecar.config.hours import Hours
from sidecar.model import Mode, Role

REFERENCE_LEDGER = "local"

_TIMEZONE_REMEDY = "no such time zone is known here; write one such as Europe/London"


def words(value: object) -> object:
    """Let the environment write a list with commas."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Words = Annotated[tuple[Text, ...], BeforeValidator(words)]
Roles = Annotated[tuple[Role, ...], BeforeValidator(words)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Property = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,62})?$")]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A table of the config file: an unknown key is an error, and no error repeats what was written."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False)


class AdapterSection(Section):
    """A section whose other keys belong to the adapter that `type` names."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> Mapping[str, Any]:
        """The keys that are not the core's own."""
        return dict(self.model_extra or {})


class JournalSection(Section):
    """Where the journal is kept: `sqlite:///` and a path relative to the config file, or `postgresql://`."""

    url: Text = "sqlite:///data/journal.db"
    url_env: Text | None = None
    url_file: Text | None = None


class WebSection(Section):
    """Where webhooks come in, where metrics and admin listen, how links find back; port 0 takes any free one."""

    host: Text = "0.0.0.0"  # noqa: S104  the door for webhooks, which is closed to all but signed requests
    port: Port = 8080
    admin_host: Text = "127.0.0.1"
    admin_port: Port = 8081
    public_url: Text = ""
    explain_key_env: Text | None = None
    explain_key_file: Text | None = None
    explain_days: int = Field(default=14, ge=1, le=365)

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, url: str) -> str:
        from urllib.parse import urlsplit

        parts = urlsplit(url)
        here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        plain = not (parts.username or parts.password or parts.query or parts.fragment or set(url) & set(" %\\<>\"'"))
        if url and not (plain and parts.hostname and (parts.scheme == "https" or (here and parts.scheme == "http"))):
            raise ValueError("write https:// and a host (and path), as your people's browsers reach web.port")
        return url.rstrip("/")


class TokensSection(Section):
    """The key that seals what a vendor gives us anew while we run; several, the one in force first."""

    key_env: Text | None = None
    key_file: Text | None = None


class OwnSection(Section):
    """Our side: domains, addresses (e-mail, or phone as +44...), where we are."""

    domains: Words = ()
    addresses: Words = ()
    default_region: Text = "GB"
    timezone: Text = "UTC"

    @field_validator("domains")
    @classmethod
    def _domains(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        for domain in domains:
            if "@" in domain or "." not in domain.strip(".") or " " in domain:
                raise ValueError("write domains alone, such as northwind.test")
        return tuple(domain.strip(".").casefold() for domain in domains)

    @field_validator("addresses")
    @classmethod
    def _addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(address) for address in addresses)

    @field_validator("default_region")
    @classmethod
    def _region(cls, region: str) -> str:
        from phonenumbers import SUPPORTED_REGIONS

        if region.upper() not in SUPPORTED_REGIONS:
            raise ValueError("write a country's two letters, such as GB or DE")
        return region.upper()

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, name: str) -> str:
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(_TIMEZONE_REMEDY) from None
        return name


def _address(text: str) -> str:
    if "@" in text:
        return text.casefold()
    digits = "".join(c for c in text if c.isdigit())
    if not text.startswith("+") or not 7 <= len(digits) <= 15 or set(text) - set("+0123456789 -()."):
        raise ValueError("write e-mail addresses, and phone numbers with country code, such as +442079460000")
    return "+" + digits


class ChannelSection(AdapterSection):
    """One channel: its adapter, when to poll it (`every_s` None is the adapter's own rhythm), when silence is news."""

    type: Text
    every_s: float | None = Field(default=None, gt=0, le=86_400)
    cron: Text | None = None
    jitter_s: float = Field(default=0.0, ge=0, le=3_600)
    silent_after_h: float | None = Field(default=None, gt=0, le=8_760)
    expected: Text | None = None

    @field_validator("expected")
    @classmethod
    def _expected(cls, expected: str | None) -> str | None:
        if expected is not None:
            Hours.parse(expected)
        return expected

    @field_validator("cron")
    @classmethod
    def _cron(cls, cron: str | None) -> str | None:
        from apscheduler.triggers.cron import CronTrigger

        if cron is not None:
            try:
                CronTrigger.from_crontab(cron, "UTC")
            except ValueError:
                raise ValueError('write five cron fields, such as "*/5 8-18 * * mon-fri"') from None
        return cron


class CreateSection(Section):
    """Whether a customer whom the CRM doesn't know gets a record; `deal` may be a stage from which on one is made."""

    contact: Literal["never", "suggest", "auto"] = "suggest"
    deal: Text = "never"


class CrmSection(AdapterSection):
    """The ledger, how often it is asked what people changed in it, and who owns what no route gives to anybody."""

    type: Text = REFERENCE_LEDGER
    every_s: float = Field(default=30.0, gt=0, le=86_400)
    owner: Text = ""
    create: CreateSection = CreateSection()


class MatchSection(Section):
    """What goes this way: channels by name, and addresses of ours; nothing named takes everything."""

    channel: Words = ()
    address: Words = ()

    @field_validator("address")
    @classmethod
    def _addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_address(address) for address in addresses)


class RouteSection(Section):
    """One way from a channel or address to a pipeline, with its stage map (ours to theirs), owner and prompt."""

    name: Text = Field(min_length=1)
    match: MatchSection = MatchSection()
    pipeline: Text = ""
    stages: dict[str, Annotated[Text, Field(min_length=1)]] = Field(default_factory=dict)
    owner: Text = ""
    brand: Text = ""
    prompt: Text = "relationship"
    mode: Mode | None = None


class LlmSection(AdapterSection):
    """The model that reads, and what it may spend a day: by all, on one party, for one sender; 0 is no bound."""

    type: Text = "baseline"
    baseline_writes: bool = False
    daily_usd: float = Field(default=5.0, ge=0)
    daily_tokens: int = Field(default=0, ge=0)
    party_daily_usd: float = Field(default=1.0, ge=0)
    party_daily_tokens: int = Field(default=5_000_000, ge=0)
    sender_daily_usd: float = Field(default=1.0, ge=0)
    sender_daily_tokens: int = Field(default=5_000_000, ge=0)


class TranscriberSection(AdapterSection):
    """What hears voice notes, how much of them a day (0 is no bound), and its price; without a type nobody does."""

    type: Text = ""
    daily_minutes: float = Field(default=600.0, ge=0)
    usd_per_minute: float = Field(default=0.0, ge=0, le=1_000)


class PromptsSection(Section):
    """Which packs of fields are taken up, and what stands before an edited prompt: nothing, a person, or a report."""

    auto_adopt: bool = False
    packs: Words = ()
    gate: bool = False
    max_drop: Share = 0.02


class InferenceSection(Section):
    """How long a conversation must be quiet before it is read or may be put off, and what the stronger model is for."""

    quiet_s: float = Field(default=60.0, ge=0, le=86_400)
    max_wait_s: float = Field(default=900.0, ge=0, le=86_400)
    escalate: tuple[
        Literal["conflict", "terminal", "unverified", "transition", "refusal", "truncated", "invalid"], ...
    ] = ("conflict", "terminal", "unverified", "transition", "refusal", "truncated", "invalid")
    key_fields: Words = ("stage",)


class PolicySection(Section):
    """How far the ladder is climbed where no route or field says otherwise, and how people have a say in their CRM."""

    mode: Mode = Mode.SHADOW
    suggestion_days: int = Field(default=14, ge=1, le=365)
    mode_property: Property = "ai_mode"
    pin_property: Property = "ai_pin"


class StageSection(Section):
    """One stage: a stage that leads nowhere is an end; `silent_days` 0 never raises."""

    to: Words = ()
    threshold: Share = 0.6
    needs: Literal["any", "seller", "system"] = "any"
    silent_days: int = Field(default=0, ge=0, le=365)


class StagesSection(Section):
    """The stages, first to last, with a table each."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, StageSection]

    order: Words

    @property
    def tables(self) -> Mapping[str, StageSection]:
        """The tables, by stage."""
        return dict(self.__pydantic_extra__)


class RelevanceSection(Section):
    """Lists that say who is a customer before any model call; `free_mail` adds to the built-in domains."""

    do_not_process: Words = ()
    customer: Words = ()
    not_customer: Words = ()
    not_customer_subjects: Words = (
        "job application",
        "application for the position",
        "bewerbung als",
        "initiativbewerbung",
        "candidature spontanée",
        "candidatura espontánea",
    )
    free_mail: Words = ()


class PartySection(Section):
    """Whom a relationship is with: a person, or a company with its people."""

    by: Literal["person", "company"] = "person"


class WatchSection(Section):
    """Exceptions: how they are capped, how late is overdue, and how long a silence cools."""

    cooling_days: int = Field(default=10, ge=1, le=365)
    overdue_grace_days: int = Field(default=0, ge=0, le=365)
    alerts_per_owner: int = Field(default=10, ge=0, le=1_000)


class NotesSection(Section):
    """Notes in the CRM's timeline."""

    enabled: bool = True
    settle_s: float = Field(default=14_400.0, ge=0, le=604_800)
    new_per_day: int = Field(default=1, ge=0, le=100)
    skip_channels: Words = ()


class BrakesSection(Section):
    """When writing to the CRM stops by itself; 0 is never. The defaults hold for somebody else's CRM alone."""

    changes_per_hour: int = Field(default=1_000, ge=0, le=1_000_000)
    correction_rate: Share = 0.3
    correction_min: int = Field(default=20, ge=1, le=1_000)


class QualitySection(Section):
    """When a field that people put right too often goes down to suggest by itself; `max_rate` 0 is never.

    `sample_per_field` values of each field wait each week for a person to say whether they are right; 0 is none.
    """

    max_rate: Share = 0.2
    last_n: int = Field(default=50, ge=5, le=500)
    sample_per_field: int = Field(default=0, ge=0, le=50)


class OpsSection(Section):
    """What those who operate it are told of, and how; `webhook` and `smtp` are for the adapters to judge."""

    every_s: float = Field(default=86_400.0, ge=60, le=604_800)
    parked_above: int = Field(default=20, ge=0, le=1_000_000)
    disk_free_mb: int = Field(default=500, ge=0, le=10_000_000)
    stuck_s: float = Field(default=900.0, ge=30, le=86_400)
    quiet_expected: int = Field(default=10, ge=0, le=1_000_000)
    late_polls: float = Field(default=3.0, ge=0, le=1_000)
    subscription_left_h: float = Field(default=6.0, ge=0, le=720)
    unreadable_share: Share = 0.2
    webhook: dict[str, Any] | None = None
    smtp: dict[str, Any] | None = None

    @property
    def notifiers(self) -> Mapping[str, Mapping[str, Any]]:
        """The ways that are configured, with their settings."""
        named = {"webhook": self.webhook, "smtp": self.smtp}
        return {name: options for name, options in named.items() if options is not None}


class LimitsSection(Section):
    """Bounds of the machinery."""

    max_body_bytes: int = Field(default=1_048_576, ge=1_024, le=104_857_600)
    body_timeout_s: float = Field(default=10.0, gt=0, le=300)
    header_bytes: int = Field(default=65_536, ge=4_096, le=1_048_576)
    header_timeout_s: float = Field(default=5.0, gt=0, le=60)
    connections: int = Field(default=800, ge=1, le=100_000)
    keep_alive_s: int = Field(default=30, ge=1, le=600)
    concurrency: int = Field(default=4, ge=1, le=64)
    lease_s: float = Field(default=120.0, ge=5, le=3_600)
    stop_grace_s: float = Field(default=20.0, ge=0, le=600)
