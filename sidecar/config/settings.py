"""The whole config as one immutable thing, and the nouns that the stages read, made from it.

`Settings` is what `load` returns; only `app` and the edges hold one. The stages never see it: they get a `Policy`, an
`Own`, a `Relevance`. The policy's hash covers everything in it, so that a Decision names the very rules it was made by.
No secret is kept here: each is read when an adapter asks for it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from pydantic import Field, PrivateAttr
from pydantic_settings import BaseSettings, SettingsConfigDict

from sidecar.config.fields import FieldSection, ScoreSection
from sidecar.config.packs import packs
from sidecar.config.secret import read_secret
from sidecar.config.sections import (
    BrakesSection,
    ChannelSection,
    CrmSection,
    InferenceSection,
    JournalSection,
    LimitsSection,
    LlmSection,
    NotesSection,
    OpsSection,
    OwnSection,
    PartySection,
    PolicySection,
    PromptsSection,
    QualitySection,
    RelevanceSection,
    RouteSection,
    StageSection,
    StagesSection,
    TokensSection,
    TranscriberSection,
    WatchSection,
    WebSection,
)
from sidecar.errors import ConfigError
from sidecar.model import FieldPolicy, Notes, Own, Policy, Relevance, Route, Score, StagePolicy, Target
from sidecar.model.means import Budget, Hard, Hearing


class Settings(BaseSettings):
    """Every setting; made by `load`. Sections whose name is also a noun of the stages carry `_section` in theirs.

    `ignored` are the dotted keys of the file that belong to an adapter which the environment replaced.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False, env_prefix_target="all"
    )

    journal: JournalSection = JournalSection()
    web: WebSection = WebSection()
    tokens: TokensSection = TokensSection()
    own_section: OwnSection = Field(default=OwnSection(), alias="own")
    channels: dict[str, ChannelSection] = Field(default_factory=dict)
    crm: CrmSection = CrmSection()
    route: tuple[RouteSection, ...] = ()
    llm: LlmSection = LlmSection()
    transcriber: TranscriberSection = TranscriberSection()
    prompts: PromptsSection = PromptsSection()
    inference: InferenceSection = InferenceSection()
    policy_section: PolicySection = Field(default=PolicySection(), alias="policy")
    stages: StagesSection
    fields: dict[str, FieldSection]
    score: ScoreSection = ScoreSection()
    relevance_section: RelevanceSection = Field(default=RelevanceSection(), alias="relevance")
    party: PartySection = PartySection()
    watch: WatchSection = WatchSection()
    notes: NotesSection = NotesSection()
    brakes: BrakesSection = BrakesSection()
    quality: QualitySection = QualitySection()
    ops: OpsSection = OpsSection()
    limits: LimitsSection = LimitsSection()

    _env: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _base: Path = PrivateAttr(default=Path())
    _file: Path | None = PrivateAttr(default=None)
    _ignored: tuple[str, ...] = PrivateAttr(default=())

    @property
    def base(self) -> Path:
        """The folder of the config file, from which relative paths count."""
        return self._base

    @property
    def file(self) -> Path | None:
        """The config file; None where there is none, and defaults and the environment are all."""
        return self._file

    @property
    def ignored(self) -> tuple[str, ...]:
        """The dotted keys of the file that were left out, because the environment names another adapter."""
        return self._ignored

    def secret(self, env: str | None, file: str | None) -> str:
        """Return the secret that an `*_env` or `*_file` setting names; `ConfigError` when there is none."""
        return read_secret(env, file, self._env, self._base)

    def journal_url(self) -> str:
        """Return the journal's URL, from the environment or a file where it holds a password."""
        if self.journal.url_env or self.journal.url_file:
            try:
                return self.secret(self.journal.url_env, self.journal.url_file)
            except ConfigError as error:
                raise ConfigError(str(error), setting="journal.url") from None
        return self.journal.url

    def own(self) -> Own:
        """Return our side, each domain in both of its spellings where it has letters beyond ASCII."""
        section = self.own_section
        return Own(
            domains=frozenset(form for domain in section.domains for form in _spellings(domain)),
            addresses=frozenset(form for address in section.addresses for form in _address_spellings(address)),
            default_region=section.default_region,
            timezone=section.timezone,
        )

    def relevance(self) -> Relevance:
        """Return the lists that say who is a customer."""
        section = self.relevance_section
        return Relevance(
            do_not_process=section.do_not_process,
            customer=section.customer,
            not_customer=section.not_customer,
            not_customer_subjects=tuple(words.casefold() for words in section.not_customer_subjects),
            free_mail=free_mail() | {domain.casefold() for domain in section.free_mail},
        )

    def without_criteria(self) -> frozenset[str]:
        """Return the fields that a model is asked for and of which the config doesn't say what counts."""
        asked = (name for name, f in self.fields.items() if f.enabled and f.grounding == "quoted" and not f.criteria)
        return frozenset(asked)

    def budget(self) -> Budget:
        """Return what may be spent a day."""
        llm = self.llm
        return Budget(
            (llm.daily_usd, llm.daily_tokens),
            (llm.party_daily_usd, llm.party_daily_tokens),
            (llm.sender_daily_usd, llm.sender_daily_tokens),
            Hearing(self.transcriber.daily_minutes, self.transcriber.usd_per_minute),
        )

    def hard(self) -> Hard:
        """Return what the stronger model is asked about."""
        return Hard(self.inference.escalate, self.inference.key_fields)

    def policy(self) -> Policy:
        """Return everything that decides what may be written, with the hash that names this version of it."""
        fields = {name: self._field(name, f) for name, f in self.fields.items() if f.enabled}
        policy = Policy(
            fields=fields,
            stages={name: _stage(name, self.stages.tables.get(name)) for name in self.stages.order},
            mode=self.policy_section.mode,
            suggestion_days=self.policy_section.suggestion_days,
            mode_property=self.policy_section.mode_property,
            pin_property=self.policy_section.pin_property,
            score=Score(self.score.stage, {name: dict(points) for name, points in self.score.tables.items()}),
            create_contact=self.crm.create.contact,
            create_deal=self.crm.create.deal,
            routes=tuple(_route(section, self.crm.owner) for section in self.route) or (Route(owner=self.crm.owner),),
            notes=Notes(**self.notes.model_dump()),
            party_by=self.party.by,
            baseline_writes=self.llm.baseline_writes,
            overdue_grace_days=self.watch.overdue_grace_days,
            alerts_per_owner=self.watch.alerts_per_owner,
            cooling_days=self.watch.cooling_days,
        )
        return replace(policy, sha256=_digest(policy))

    def _field(self, name: str, section: FieldSection) -> FieldPolicy:
        """Return a field; criteria that stand as a pack gave them yield to a prompt's."""
        given = [pack.fields[name] for pack in map(packs().get, self.prompts.packs) if pack and name in pack.fields]
        is_packed = any(table["criteria"] == section.criteria for table in given)
        return replace(_field(name, section, self.stages.order), criteria_yield=is_packed)


def free_mail() -> frozenset[str]:
    """Return the domains at which anybody can have an address, so that sharing one says nothing."""
    lines = (Path(__file__).parent / "free_mail.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def _spellings(domain: str) -> set[str]:
    try:
        return {domain, domain.encode("idna").decode()}
    except UnicodeError:
        return {domain}


def _address_spellings(address: str) -> set[str]:
    local, at, domain = address.rpartition("@")
    return {local + at + form for form in _spellings(domain)} if at else {address}


def _field(name: str, section: FieldSection, stages: tuple[str, ...]) -> FieldPolicy:
    return FieldPolicy(
        name=name,
        cls=section.cls,
        type=section.type,
        values=stages if name == "stage" else section.values,
        criteria=section.criteria.strip(),
        not_criteria=section.not_criteria.strip(),
        grounding=section.grounding,
        asserted_by=frozenset(section.asserted_by),
        threshold=section.threshold,
        mode=section.mode,
        targets=tuple(Target(*target.split(".", 1)) for target in section.targets),
        native=section.native,
        max_chars=section.max_chars,
    )


def _stage(name: str, section: StageSection | None) -> StagePolicy:
    section = section or StageSection()
    return StagePolicy(
        name=name,
        to=section.to,
        threshold=section.threshold,
        needs=section.needs,
        terminal=not section.to,
        silent_days=section.silent_days or None,
    )


def _route(section: RouteSection, owner: str) -> Route:
    return Route(
        name=section.name,
        channels=section.match.channel,
        addresses=section.match.address,
        pipeline=section.pipeline,
        stages=dict(section.stages),
        owner=section.owner or owner,
        brand=section.brand,
        prompt=section.prompt,
        mode=section.mode,
    )


def _digest(policy: Policy) -> str:
    """Hash the policy as canonical JSON; the order of the stages is a list of its own, since it carries meaning."""
    content = {**asdict(policy), "order": list(policy.stages)}
    del content["rungs"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=sorted)
    return sha256(text.encode()).hexdigest()
