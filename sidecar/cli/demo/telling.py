"""What the demo shows, read from the book and the CRM by the same means as every command.

Nothing here is written in advance: where the engine misread a message, the demo shows what it made of it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.text import Text

from sidecar.cli.demo.home import INSTALLED_DAYS_AGO
from sidecar.cli.demo.samples import Sample
from sidecar.cli.history import SAID_CHARS, explained, explanation_tree, said_in, timeline
from sidecar.cli.inbox import inbox_table, relationships
from sidecar.cli.render import add, block, moment, plain, short, show, table
from sidecar.model import Activity, Claim, Decision, Identifier, Inference, Match, Record, Standing, Value, Verdict

if TYPE_CHECKING:
    from sidecar.app import App

ANN, JONAS, RICK = "ann@okafor-bakery.test", "jonas@blumen-weber.test", "rick.malone@example.org"
EXCERPT, EXCERPT_LINES = "ann-3.eml", 26
INJECTION = "w-3202"
WATCHED = ("name", "ai_budget", "ai_stage", "ai_next_step", "ai_next_step_due", "ai_trajectory")
MAX_SHOWN = 50
VALUE_CHARS = 60
_CAME_BY = {
    "web": "signed webhook",
    "booking": "signed webhook",
    "mail": "file in a folder",
    "calls": "file in a folder",
}
_OUTCOMES = {
    "party": "belong to somebody",
    "ambiguous": "may belong to two people",
    "automated": "was written by a machine and is read by none",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who inferred, how often, for how much; `calls` are inferences in the book."""

    engine: str
    models: tuple[str, ...]
    calls: int
    cost_usd: float


def head(number: int, title: str, *lines: str) -> None:
    """Begin a section."""
    text = f"{number}  {title}"
    show("", Text(text, style="bold"), Text("─" * len(text), style="dim"), *lines, "")


def party_of(app: "App", address: str) -> Standing:
    """Return where the party with an e-mail address stands."""
    from sidecar.errors import PermanentError

    found = app.journal.known([Identifier("email", address)])
    standing = app.journal.standing(next(iter(found.values()))) if found else None
    if standing is None:
        raise PermanentError(f"the sample of {address} made no party")
    return standing


def contact_of(app: "App", standing: Standing) -> Record:
    """Return a party's contact as the CRM holds it now."""
    from sidecar.errors import PermanentError

    sync = standing.record("contact")
    found = app.ledger.read("contact", [sync.ref]).get(sync.ref) if sync and sync.ref else None
    if not isinstance(found, Record):
        raise PermanentError(f"{standing.party} has no contact in the CRM")
    return found


def reader_of(app: "App") -> Reader:
    """Return who inferred what is in the book."""
    found = [fact for fact in app.journal.facts(kinds=("inference",)) if isinstance(fact, Inference)]
    models = tuple(sorted({inference.model for inference in found}))
    return Reader(app.llm.name, models, len(found), sum(inference.cost_usd for inference in found))


def arrived(app: "App", past: Sequence[Sample]) -> None:
    """Show what came in, and one of it raw."""
    head(1, "What arrived", "Conversations of a shop that sells cargo bikes, in English, German, Spanish and French.")
    made = table("channel", "came by", "deliveries>")
    for channel, count in Counter(sample.channel for sample in past).items():
        add(made, channel, _CAME_BY.get(channel, ""), count)
    outcomes = Counter(match.outcome.value for match in _last_matches(app))
    told = ", ".join(f"{count} {_OUTCOMES.get(name, name)}" for name, count in outcomes.most_common())
    show(made, "", f"Of these {told}.")
    show(
        "Whoever was quiet before the installation raises no alarm, so for the demo the book was opened as if it had "
        f"been installed {INSTALLED_DAYS_AGO} days ago."
    )
    sample = next(sample for sample in past if sample.name == EXCERPT)
    show("", f"One of them as it arrived, and as it stays in the book ({sample.name}, {len(sample.raw)} bytes):", "")
    for line in sample.raw.decode("utf-8", "replace").splitlines()[:EXCERPT_LINES]:
        show(Text("    " + block(line), style="dim"))


def _last_matches(app: "App") -> list[Match]:
    found = (match for match in app.journal.facts(kinds=("match",)) if isinstance(match, Match))
    return list({match.activity: match for match in found}.values())


def inbox(app: "App") -> None:
    """Show where everybody stands."""
    head(
        2, "The inbox", "Nobody typed any of this. Ranked: exceptions first, then what waits for a person, then score."
    )
    found, _ = relationships(app, MAX_SHOWN, everything=True)
    show(inbox_table(found, _zone(app)))


def one_timeline(app: "App") -> None:
    """Show one party over several channels."""
    standing = party_of(app, ANN)
    channels = sorted({conversation.channel for conversation in standing.conversations})
    head(3, f"One relationship: {standing.name}", f"One party, known over {', '.join(channels)}.")
    made = table("when", "by", "said", whole=("when",))
    for happened in timeline(app, MAX_SHOWN, party=standing.party):
        when = (moment(happened.at, _zone(app)), f"{happened.channel} {happened.kind}")
        who = (happened.who or happened.role, happened.how)
        add(made, when, who, plain(happened.said, SAID_CHARS))
    show(made)


def chain(app: "App") -> None:
    """Show why fields of the CRM hold what they hold: what a customer wrote, and what a booking system said."""
    standing = party_of(app, ANN)
    head(4, "From a value in the CRM back to the words", "Each line follows from the lines below it.")
    for kind, name in (("contact", "ai_budget"), ("deal", "stage")):
        record = standing.record(kind)
        if record and record.ref and name in record.fields:
            show(explanation_tree(explained(app, f"{kind}:{record.ref}", name)), "")
        else:
            show(f"The {kind} holds no {name}: nobody has claimed one that was believed.", "")


def exceptions(app: "App") -> None:
    """Show what needs a person: alerts, moods and risks, and activities that may be two parties'."""
    head(5, "Exceptions and questions")
    made = table("who", "exception", "why")
    for alert in app.journal.open_alerts(MAX_SHOWN):
        add(made, _name(app, alert.party or ""), alert.rule, alert.reason)
    for standing in app.journal.inbox(MAX_SHOWN):
        fields = standing.engagement.fields
        for name in ("sentiment", "risks"):
            value = fields[name].value if name in fields else None
            if value is not None and value not in ("positive", "neutral"):
                add(made, standing.name, f"{name}: {value}", _words_behind(app, fields[name].decision))
    show(made)
    for match in app.journal.questions(MAX_SHOWN):
        activity = app.journal.get(match.activity)
        said = said_in(activity) if isinstance(activity, Activity) else ""
        show("", f"Whose is this? {match.name or 'somebody'} ({', '.join(str(i) for i in match.identifiers)}):")
        show(f"  “{plain(said, SAID_CHARS)}”")
        asked = table("  candidate", "score>", "signals")
        for candidate in match.candidates:
            name = _name(app, candidate.ref) or "somebody new"
            add(asked, f"  {name}", candidate.score, ", ".join(candidate.signals))
        show(asked, f"  No guess is made. To answer: sidecar party assign {short(match.activity)} new")


def _name(app: "App", party: str) -> str:
    standing = app.journal.standing(party)
    return (standing.name or party) if standing else ""


def _words_behind(app: "App", decision_id: str) -> str:
    decision = app.journal.get(decision_id)
    claim = app.journal.get(decision.claim) if isinstance(decision, Decision) else None
    quotes = claim.evidence if isinstance(claim, Claim) else ()
    return f"“{plain(quotes[0].quote, SAID_CHARS)}”" if quotes else ""


def injection(app: "App") -> None:
    """Show what a prompt injection brought about."""
    standing = party_of(app, RICK)
    head(6, f"A customer gives orders to the machine: {standing.name}")
    for happened in timeline(app, MAX_SHOWN, party=standing.party):
        show(f"  “{plain(happened.said, 240)}”")
    made = table("claimed", "verdict", "rule", "reason")
    for claim, decision in _quoted_claims(app, standing.party):
        value = plain(f"{claim.field} = {claim.value}", VALUE_CHARS)
        add(made, value, decision.verdict.value, decision.rule, decision.reason)
    show("", f"What {app.llm.name} claimed, and what the policy made of it:", "", made)
    rests = sorted(_applied_on_injection(app, standing.party))
    deals = [record for record in standing.records.values() if record.kind == "deal" and record.ref]
    held = app.ledger.read("deal", [record.ref for record in deals if record.ref])
    stages = [str(deal.fields.get("stage")) for deal in held.values() if isinstance(deal, Record)]
    show(f"Believed on the word of the second message: {', '.join(rests) or 'nothing'}.")
    show(f"Stage of the deal in the CRM: {', '.join(stages) or 'there is no deal'}.")


def _quoted_claims(app: "App", party: str) -> list[tuple[Claim, Decision]]:
    """What was claimed from words, each claim once, with the verdict on it."""
    claims = {claim.id: claim for claim in app.journal.facts(kinds=("claim",), party=party) if isinstance(claim, Claim)}
    decisions = [d for d in app.journal.facts(kinds=("decision",), party=party) if isinstance(d, Decision)]
    found = {
        (claims[d.claim].field, str(claims[d.claim].value), d.rule): (claims[d.claim], d)
        for d in decisions
        if d.claim in claims and not claims[d.claim].formula
    }
    return list(found.values())


def _applied_on_injection(app: "App", party: str) -> set[str]:
    injected = {a.id for _, a in app.journal.timeline(party, MAX_SHOWN) if a.external_id == INJECTION}
    decisions = [d for d in app.journal.facts(kinds=("decision",), party=party) if isinstance(d, Decision)]
    return {f"{d.field} = {d.value}" for d in decisions if d.verdict is Verdict.APPLY and injected & {*d.activities}}


def edited(
    app: "App", before: Mapping[str, Value], typed: Mapping[str, Value], after: Mapping[str, Value], said: str
) -> None:
    """Show a rep's edit, the next message, and what became of both."""
    standing = party_of(app, JONAS)
    head(7, "A person wins", "Mira edits Jonas Weber's contact in the CRM. Then he writes again, and books:")
    show(f"  “{plain(said, SAID_CHARS)}”", "")
    record = standing.record("contact")
    made = table("property", "was", "Mira typed", "is now", "whose")
    for name in WATCHED:
        sync = record.fields.get(name) if record else None
        author = sync.hold.author if sync and sync.hold else None
        cells = [plain(values.get(name), VALUE_CHARS) for values in (before, typed, after)]
        add(made, name, *cells, f"{author.name or author.kind.value}'s" if author else "ours")
    show(made)


def closing(app: "App", folder: str, program: str, took_s: float) -> None:
    """Say how long it took, who inferred, and what to try next."""
    reader = reader_of(app)
    head(8, "That was it")
    models = ", ".join(reader.models)
    cost = f"${reader.cost_usd:.4f}"
    show(f"It took {took_s:.1f} s. Inferred by {reader.engine} ({models}), in {reader.calls} readings, for {cost}.")
    if app.llm.capabilities.is_baseline:
        show("The baseline is a set of rules and says so; with ANTHROPIC_API_KEY set the same command asks a model.")
    for row in app.journal.work("parked"):
        reason = (row.parked_reason or "").partition("\n")[0]
        show(f"Parked, for a person to look at: {row.work.kind.value} {short(row.work.key)}: {plain(reason)}")
    contact = contact_of(app, party_of(app, ANN))
    commands = (
        "inbox",
        "party questions",
        f"explain contact:{contact.ref} ai_stage",
        "party approve 'Sophie Laurent' stage",
        "ledger show contact",
        "run --until-idle",
        "verify",
    )
    show("", "Everything is in the book and answers, for example:")
    for command in commands:
        show(f"  {program} --config {folder}/config.toml {command}")


def _zone(app: "App") -> ZoneInfo:
    return ZoneInfo(app.settings.own_section.timezone)
