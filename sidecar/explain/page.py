"""The page behind a link: plain HTML for reps on a phone and for auditors on a wide screen.

What somebody wrote stands in text and nowhere else: it is escaped, its hidden characters are named, and addresses in it
never become links. Its language isn't known, so it is marked as such (`lang=""`) and each paragraph runs the way that
its own letters do.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from sidecar.explain.causes import Places, causes
from sidecar.explain.past import Event
from sidecar.explain.phrases import NAME_CHARS, cut, day, moment, name, plain, value
from sidecar.explain.refused import Refusal
from sidecar.explain.talk import Piece, Quote, Talk, Turn
from sidecar.explain.view import Place, Told, View
from sidecar.markup import marked, text
from sidecar.markup.document import document
from sidecar.model import Role
from sidecar.sync.wording import label

SHORT_CHARS = 60
QUOTE_CHARS = 600
_ROLES: Mapping[Role, str] = {
    Role.CUSTOMER: "the customer", Role.AGENT: "our side", Role.BOT: "a bot", Role.SYSTEM: "a system",
}  # fmt: skip
_ENGINES: Mapping[str, str] = {
    "code": "Computed from what was said; the newest of it is of",
    "person": "A person set it in the CRM:",
    "past": "It stood in the CRM before:",
}
Linker = Callable[[str], str]


def html(view: View, link: Linker) -> str:
    """Return the whole page; `link` makes the path to one field of the party, for a page that shows all of them."""
    is_one = bool(view.linked.field)
    spoken = _conversation(view.talk, view.zone)
    parts = (
        (_words(view) + spoken, _where(view) + _chain(view) + _past(view)) if is_one else (_fields(view, link), spoken)
    )
    columns = "".join(f'<div class="col">{part}</div>' for part in parts)
    title = f"{_label(view.linked.field)}: where it comes from" if is_one else "What AI read out of the conversations"
    return document(title, f'{_header(view)}<main class="{"one" if is_one else "all"}">{columns}</main>{_footer(view)}')


def _label(field: str) -> str:
    return label(field.removeprefix("ai_"))


def _header(view: View) -> str:
    who = f'<p class="sub">{name(view.name)}</p>'
    if not view.linked.field:
        return f'<header><p class="over">Read by AI</p><h1>{name(view.name)}</h1>{_nav(view)}</header>'
    told = view.fields[0]
    shown = value(told.value)
    short = len(plain(told.value)) <= SHORT_CHARS
    head = f"{text(_label(told.name))}: {shown}" if short else text(_label(told.name))
    long = "" if short else f'<p class="lead">{shown}</p>'
    return (
        f'<header><p class="over">Where this comes from</p><h1>{head}</h1>{long}{who}'
        f"{_standing(told, view.zone)}{_nav(view)}</header>"
    )


def _nav(view: View) -> str:
    is_one = bool(view.linked.field)
    names = {"words": "Words" if is_one else "Fields", "talk": "Conversation"}
    names |= {"where": "In the CRM", "causes": "Causes", "past": "History"} if is_one else {}
    links = "".join(f'<li><a href="#{id}">{name}</a></li>' for id, name in names.items())
    return f'<nav aria-label="On this page"><ul>{links}</ul></nav>'


def _standing(told: Told, zone: ZoneInfo) -> str:
    lines = []
    if told.held:
        sure = f"{told.held.confidence:.0%} sure"
        how = _ENGINES.get(
            told.held.engine, f"Read by {text(told.held.engine)}, {sure}; the newest of its words are of"
        )
        lines.append(f"{how} {moment(told.held.evidence_at, zone)}.")
    if told.ours is not None:
        lines.append(f"Before that, {value(told.ours)} was read out of the words below.")
    if told.waiting:
        lines.append(
            f"{value(told.waiting.value)} waits for a person since {moment(told.waiting.at, zone)}: "
            f"{marked(told.waiting.reason)}."
        )
    if told.refused:
        lines.append(_refused(told.refused, zone))
    if told.note:
        lines.append(f"{marked(told.note)}.")
    return "".join(f'<p class="lead">{line}</p>' for line in lines)


def _refused(refused: Refusal, zone: ZoneInfo) -> str:
    words = f' from “<bdi lang="">{marked(cut(refused.quote, QUOTE_CHARS))}</bdi>”' if refused.quote else ""
    how = f"{name(refused.by)} turned it down" if refused.by else "nobody answered in time, and it was dropped"
    return f"{value(refused.value)} was proposed{words}; {how} on {moment(refused.at, zone)}."


def _words(view: View) -> str:
    quotes = "".join(_quote(q, view) for q in view.talk.quotes)
    if not quotes:
        quotes = "<li><span></span><p>No words are quoted: the causes say what it follows from.</p></li>"
    return _section("words", "The words behind it", f'<ol class="quotes">{quotes}</ol>')


def _quote(quote: Quote, view: View) -> str:
    if quote.activity is None:
        return f'<li><span class="num">{quote.number}</span><p>These words were erased.</p></li>'
    by = f"{_ROLES[quote.evidence.role]}, {text(quote.activity.channel)}, {moment(quote.activity.at, view.zone)}"
    return (
        f'<li>{_number(quote.number, view.talk)}<div><blockquote lang="" dir="auto">'
        f'{marked(cut(quote.evidence.quote, QUOTE_CHARS))}</blockquote><p class="small">{by}</p></div></li>'
    )


def _number(number: int, talk: Talk) -> str:
    """Return a quote's number, as a link to its place where that is on the page."""
    if number not in _shown(talk):
        return f'<span class="num">{number}</span>'
    return f'<a class="num" href="#q{number}" aria-label="Quote {number} in the conversation">{number}</a>'


def _shown(talk: Talk) -> set[int]:
    return {piece.number for turn in talk.turns for piece in turn.pieces}


def _fields(view: View, link: Linker) -> str:
    rows = "".join(_field(told, view, link) for told in view.fields)
    rows = rows or "<li>Nothing is believed yet.</li>"
    return _section("words", "What is believed", f'<ul class="fields">{rows}</ul>')


def _field(told: Told, view: View, link: Linker) -> str:
    numbers = " ".join(_number(number, view.talk) for number in told.numbers)
    waits = f"{value(told.waiting.value)} waits for a person" if told.waiting else ""
    held = "" if told.waiting and not told.held else value(told.value)
    said = "; ".join(part for part in (held, waits) if part)
    return (
        f'<li><h3><a href="{text(link(told.name))}">{text(_label(told.name))}</a></h3><div>{said} {numbers}</div></li>'
    )


def _conversation(talk: Talk, zone: ZoneInfo) -> str:
    turns = "".join(_turn(turn, zone, at) for at, turn in enumerate(talk.turns))
    if not turns:
        turns = '<li class="gap">No conversation belongs to it, or none is in the book any more.</li>'
    if not talk.whole:
        shown = f"{len(talk.turns)} of {talk.activities:,} activities of this customer: those around the quotes."
        turns = f'<li class="gap">Shown are {shown}</li>{turns}'
    return _section("talk", "The conversation", f'<ol class="turns">{turns}</ol>')


def _turn(turn: Turn, zone: ZoneInfo, at: int) -> str:
    activity = turn.activity
    gap = "" if turn.follows else '<li class="gap">Activities between these are left out.</li>'
    quoted = " quoted" if any(piece.number for piece in turn.pieces) else ""
    who = activity.actor.name or _ROLES[activity.actor.role]
    kinds = {"message": "", "mail": ""}
    what = kinds.get(activity.kind, f", {activity.kind.replace('_', ' ')}")
    machine = f", machine mail ({text(activity.automated)})" if activity.automated else ""
    subject = (
        f'<p lang="" dir="auto"><b>{marked(cut(activity.subject, NAME_CHARS))}</b></p>' if activity.subject else ""
    )
    numbers: set[int] = set()
    said = "".join(_piece(piece, numbers) for piece in turn.pieces) or '<span class="un">(no text)</span>'
    return (
        f'{gap}<li class="turn {activity.actor.role.value}{quoted}" id="t{at}"><h3>{name(who)}</h3> '
        f'<span class="meta">({_ROLES[activity.actor.role]}) {text(activity.channel)}{text(what)}{machine}, '
        f'{moment(activity.at, zone)}</span>{subject}<div class="text" lang="" dir="auto">{said}</div></li>'
    )


def _piece(piece: Piece, numbers: set[int]) -> str:
    """Return a stretch of text; the first of a quote carries its place, the page's links lead there."""
    if piece.left_out:
        return f'<span class="cut" lang="en">… {piece.left_out:,} characters left out …</span>'
    if piece.number:
        id = "" if piece.number in numbers else f' id="q{piece.number}"'
        numbers.add(piece.number)
        return f"<mark{id}>{marked(piece.text)}<sup>{piece.number}</sup></mark>"
    return marked(piece.text) if piece.is_said else f'<span class="un">{marked(piece.text)}</span>'


def _where(view: View) -> str:
    places = "".join(_place(place, view.zone) for told in view.fields for place in told.places)
    places = places or "<li>It is in no record of the CRM.</li>"
    return _section("where", "In the CRM", f'<ul class="places">{places}</ul>')


def _place(place: Place, zone: ZoneInfo) -> str:
    since = f", {moment(place.at, zone)}" if place.at else ""
    kind = "" if place.is_ours else ' class="person"'
    return (
        f"<li{kind}><b>{text(place.record)}, {text(place.property)}</b><br>{value(place.value)}<br>"
        f'<span class="small">{text(place.state)}{since}</span></li>'
    )


def _chain(view: View) -> str:
    shown = [q for q in view.talk.quotes if q.number in _shown(view.talk)]
    numbers = {(q.evidence.activity, q.evidence.start, q.evidence.end): q.number for q in shown}
    turns = {turn.activity.id: at for at, turn in enumerate(view.talk.turns)}
    found = causes(view.chain, Places(numbers, turns, view.zone)) or "<li>Nothing of it is in the book any more.</li>"
    return _section("causes", "The chain of causes, effect first", f'<ol class="chain">{found}</ol>')


def _past(view: View) -> str:
    rows = "".join(_event(event, view.zone) for event in view.events) or "<li>Nothing happened to it yet.</li>"
    more = "" if view.is_all else "<li>What happened before is left out here; an export has it.</li>"
    return _section("past", "What became of it, newest first", f'<ol class="past">{rows}{more}</ol>')


def _event(event: Event, zone: ZoneInfo) -> str:
    kind = ' class="person"' if event.by_person else ""
    what = text(event.what[:1].upper() + event.what[1:])
    more = ". ".join(marked(cut(part, QUOTE_CHARS)) for part in (event.place, event.why) if part)
    return (
        f"<li{kind}><b>{what}</b> by {name(event.who)}: {value(event.value)}<br>"
        f'<span class="small">{moment(event.at, zone)}{". " + more if more else ""}</span></li>'
    )


def _footer(view: View) -> str:
    last = view.until - timedelta(days=1)
    return (
        "<footer><p>An AI read these words, and the sidecar wrote to the CRM what they say. Is it wrong? Change the "
        "field in the CRM: what a person writes there stands, and the sidecar learns of it.</p>"
        f"<p>This link shows this customer's words to whoever holds it, until {day(last)} (UTC). Pass it on with "
        f"care. Times are {text(view.zone.key)}.</p></footer>"
    )


def _section(id: str, title: str, body: str) -> str:
    return f'<section id="{id}" aria-labelledby="h-{id}"><h2 id="h-{id}">{title}</h2>{body}</section>'
