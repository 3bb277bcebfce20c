"""What `adapters.formats` promises about mails: one reading, nothing lost in silence, nothing that exhausts it."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.mbox import split_mbox
from adapters.formats.mime import Address, Mail, parse_mail
from sidecar.errors import PermanentError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "email_rfc822"
REPLIES = {
    "en": "Thanks, Tuesday works.",
    "de": "Danke, Dienstag paßt gut.",
    "fr": "Merci, mardi me convient.",
    "es": "Gracias, el martes está bien.",
    "it": "Grazie, martedì va bene.",
    "pt": "Obrigado, terça está ótimo.",
    "nl": "Dank, dinsdag is prima.",
    "pl": "Dziękuję, wtorek pasuje.",
    "ru": "Спасибо, вторник подходит.",
    "ja": "ありがとうございます、火曜日で大丈夫です。",
    "zh": "谢谢，周二可以。",
    "tr": "Teşekkürler, salı uygun.",
}
HEAD = b"From: Bob <bob@example.org>\r\nDate: Mon, 16 Nov 2026 11:05:00 +0100\r\n"


def _fixture(name: str) -> Mail:
    return parse_mail((FIXTURES / name).read_bytes())


def _said(mail: Mail) -> list[str]:
    return [mail.text[start:end] for start, end in mail.said]


def _typed(content_type: str, body: bytes, *more: str) -> bytes:
    extra = "".join(f"{line}\r\n" for line in more).encode()
    return HEAD + f"Content-Type: {content_type}\r\n".encode() + extra + b"\r\n" + body


# ------------------------------------------------------------------------------------------------ the envelope


def test_a_mail_names_its_people_thread_and_moment() -> None:
    """Ids stand without brackets, the thread hangs on the first reference, and the time is aware UTC."""
    mail = _fixture("reply_de.eml")
    assert mail.from_ == (Address("Bob Müller", "bob@example.org"),)
    assert mail.to == (Address("Anna Schmidt", "anna@example.com"),)
    assert mail.cc == (Address("", "team@example.com"),)
    assert mail.message_id == "reply-de@example.org"
    assert mail.in_reply_to == "orig-de@example.com"
    assert mail.references == ("root-de@example.com", "orig-de@example.com")
    assert mail.thread_root == "root-de@example.com"
    assert mail.subject == "Re: Angebot / offer de"
    assert mail.date == datetime(2026, 11, 16, 10, 5, tzinfo=UTC)
    assert (mail.automated, mail.attachments, mail.problems) == (None, (), ())


@pytest.mark.parametrize(
    ("lines", "root"),
    [
        ("Message-ID: <own@x>\r\nIn-Reply-To: <a@x>\r\nReferences: <r@x> <a@x>\r\n", "r@x"),
        ("Message-ID: <own@x>\r\nIn-Reply-To: <a@x>\r\n", "a@x"),
        ("Message-ID: <own@x>\r\n", "own@x"),
    ],
)
def test_the_thread_root_falls_back_step_by_step(lines: str, root: str) -> None:
    """First reference, then the answered mail, then the mail itself."""
    assert parse_mail(HEAD + lines.encode() + b"\r\nhi").thread_root == root


def test_a_mail_without_an_id_is_its_own_thread_by_the_hash_of_its_bytes() -> None:
    """Two different mails without ids never share a thread, and the same one seen twice does."""
    raw = HEAD + b"\r\nhi"
    assert parse_mail(raw).message_id is None
    assert parse_mail(raw).thread_root == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert parse_mail(raw + b"!").thread_root != parse_mail(raw).thread_root


@pytest.mark.parametrize(
    ("encoded", "subject"),
    [
        ("=?utf-8?B?QW5mcmFnZSDDvGJlciA0?=\r\n =?utf-8?Q?0_Pl=C3=A4tze?=", "Anfrage über 40 Plätze"),
        ("=?UTF-8?B?w?= =?UTF-8?B?7w=?=", "ï"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=ber", "über"),
        ("=?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?=", "こんにちは"),
        ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
        ("=?windows-1252?Q?=80_5=2C=96?= net", "€ 5,– net"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?x-unknown?Q?a=FC?=", "aü"),
        ("=?utf-8?q?folded=20?=\r\n\tplain =?broken?= 100=?", "folded plain =?broken?= 100=?"),
    ],
)
def test_folded_and_encoded_subjects_read_as_meant(encoded: str, subject: str) -> None:
    """RFC 2047 in several charsets, characters cut between two words included, and what is no encoded word stays."""
    assert parse_mail(HEAD + f"Subject: {encoded}\r\n\r\nhi".encode("latin-1")).subject == subject


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_raw_eight_bit_headers_are_read(encoding: str) -> None:
    """Senders who write bytes into a header are read as UTF-8, else as Windows-1252."""
    mail = parse_mail("From: Jörg <j@example.org>\r\nSubject: Grüße\r\n\r\nx".encode(encoding))
    assert (mail.subject, mail.from_[0].name) == ("Grüße", "Jörg")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"Lee, Ann" <ann@x.test>, Tom <tom@x.test>', [("Lee, Ann", "ann@x.test"), ("Tom", "tom@x.test")]),
        ("ann@x.test (Ann (the boss)), tom@x.test", [("", "ann@x.test"), ("", "tom@x.test")]),
        ("Team: ann@x.test, tom@x.test;", [("", "ann@x.test"), ("", "tom@x.test")]),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?Q?Ann_=3Cevil=40x=2Etest=3E?= <ann@x.test>", [("Ann <evil@x.test>", "ann@x.test")]),
        (r'"Ann \"Q\" Lee" <ann@x.test>', [('Ann "Q" Lee', "ann@x.test")]),
        ('"ann@other.test" <ann@x.test>', [("ann@other.test", "ann@x.test")]),
    ],
)
def test_address_lists_are_read_as_written(value: str, expected: list[tuple[str, str]]) -> None:
    """Commas in quotes, comments, groups, and names that pretend to be addresses."""
    mail = parse_mail(HEAD + f"To: {value}\r\n\r\nhi".encode())
    assert [(address.name, address.email) for address in mail.to] == expected


@pytest.mark.parametrize(
    "value", ['"ann lee"@x.test', '"ann" lee@x.test', "<ann@x@y.test>", "ann lee@x.test tom@y.test"]
)
def test_an_address_that_cant_be_read_is_left_out_and_noted(value: str) -> None:
    """A guessed address would be a wrong identifier."""
    mail = parse_mail(HEAD + f"To: {value}\r\n\r\nhi".encode())
    assert mail.to == ()
    assert any("unreadable" in problem for problem in mail.problems)


def test_a_header_that_may_stand_once_counts_once() -> None:
    """A second From or Subject can't replace the first, and is noted; To fields add up."""
    raw = HEAD + b"From: mallory@evil.test\r\nSubject: one\r\nSubject: two\r\nTo: a@x.test\r\nTo: b@x.test\r\n\r\nhi"
    mail = parse_mail(raw)
    assert [address.email for address in mail.from_] == ["bob@example.org"]
    assert mail.subject == "one"
    assert [address.email for address in mail.to] == ["a@x.test", "b@x.test"]
    assert "2 from fields: the first one used" in mail.problems
    assert "2 subject fields: the first one used" in mail.problems


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 11:05:00 +0100", "1 Jan 0001 00:00:00 +9999"])
def test_an_unreadable_date_is_none_and_noted(date: str) -> None:
    """The time of a mail is never made up."""
    mail = parse_mail(f"From: a@x.test\r\nDate: {date}\r\n\r\nhi".encode())
    assert mail.date is None
    assert "no readable date" in mail.problems


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("Auto-Submitted: auto-replied", "auto-submitted: auto-replied"),
        ("Auto-Submitted: no", None),
        ("Precedence: bulk", "bulk: precedence bulk"),
        ("List-Id: <a.b>", "list: list-id"),
        ("Precedence: list", "list: precedence list"),
        ("Return-Path: <>", "empty return path"),
        ("Return-Path: <bob@example.org>", None),
        ("X-Autoreply: yes", "auto-reply header"),
        ("Content-Type: multipart/report; boundary=b", "multipart/report"),
        ("List-Id: <a.b>\r\nAuto-Submitted: auto-generated", "auto-submitted: auto-generated"),
    ],
)
def test_automated_mails_are_marked_with_their_reason(lines: str, reason: str | None) -> None:
    """A machine's mail is named as one; a list is named last, since a person may stand behind it."""
    assert parse_mail(HEAD + lines.encode() + b"\r\n\r\nhi").automated == reason


@pytest.mark.parametrize("local", ["no-reply", "noreply", "do_not_reply", "donotreply", "MAILER-DAEMON", "bounces"])
def test_a_sender_that_takes_no_answer_is_automated(local: str) -> None:
    """The address itself says that nobody reads there; a name that merely contains the letters does not."""
    assert parse_mail(f"From: {local}@x.test\r\n\r\nhi".encode()).automated == "noreply sender"
    assert parse_mail(b"From: nora.replyson@x.test\r\n\r\nhi").automated is None


# ------------------------------------------------------------------------------------------------ own words


@pytest.mark.parametrize("language", sorted(REPLIES))
@pytest.mark.parametrize("part", ["html", "plain"])
def test_a_reply_says_only_its_new_words(language: str, part: str) -> None:
    """In 12 languages, from HTML and from text alone, the quoted mail and its announcement are no new words."""
    raw = (FIXTURES / f"reply_{language}.eml").read_bytes()
    if part == "plain":
        raw = raw[: raw.index(b"Content-Type: text/html")]
        raw = raw[: raw.rindex(b"--b_")]
    mail = parse_mail(raw)
    assert _said(mail) == [f"{REPLIES[language]}\n\nBob"]
    assert "anna@example.com" in mail.text, "the whole text keeps what was quoted"


@pytest.mark.parametrize(
    ("name", "said", "signature"),
    [
        ("outlook_desktop_html.eml", ["We take the larger package."], "Best regards,\n\nBob Miller\n\n+49 171 5550123"),
        ("outlook_web_html.eml", ["Please call me on Friday."], "Bob Miller\nMiller Ltd\nbob.private@example.net"),
        ("outlook_text_fr.eml", ["D’accord pour 1 200 €."], None),
        ("gmail_inline_answers.eml", ["Answers between the lines.", "We need 40 seats.", "In January."], None),
        ("text_inline_answers.eml", ["We need 40 seats.", "In January."], "-- \nBob Miller\nPhone: +44 7700 900123"),
        ("apple_mail.eml", ["I will come on Monday."], "Sent from my iPhone"),
        ("gmail_forward.eml", ["Please handle this."], None),
        ("forward_text_only.eml", [], None),
        ("only_quoted.eml", [], None),
        ("auto_reply.eml", ["I am out of office."], None),
        ("vacation_list.eml", ["Read our news."], None),
    ],
)
def test_each_program_s_way_to_quote_is_understood(name: str, said: list[str], signature: str | None) -> None:
    """What a customer forwards or quotes never becomes the customer's statement; answers between the lines do."""
    mail = _fixture(name)
    assert _said(mail) == said
    assert (mail.text[slice(*mail.signature)] if mail.signature else None) == signature


FORWARDS = {
    "Gmail": "---------- Forwarded message ---------\nFrom: Bob <b@x.test>\nDate: Mon, 2 Mar 2026\nSubject: Seats\n",
    "Gmail in German": "---------- Forwarded message ---------\nVon: Bob <b@x.test>\nDate: Mo., 2. März 2026\n",
    "without any header": "---------- Forwarded message ---------\n",
    "Thunderbird in German": "-------- Weitergeleitete Nachricht --------\nBetreff: Sitze\nDatum: Mon\nVon: Bob\n",
    "Thunderbird in French": "-------- Message transféré --------\nSujet : Places\nDate : Mon\nDe : Bob\nPour : a@y\n",
    "Thunderbird in Spanish": "-------- Mensaje reenviado --------\nAsunto: Plazas\nFecha: Mon\nDe: Bob\n",
    "Thunderbird in Polish": "-------- Przekazana wiadomość --------\n",
    "Apple Mail": "Begin forwarded message:\n\nFrom: Bob <b@x.test>\nSubject: Seats\n",
    "Apple Mail in French": "Début du message transféré :\n\nDe: Bob <b@x.test>\nObjet: Places\n",
    "Zimbra": "----- Weitergeleitete Nachricht von Bob <b@x.test> -----\n",
    "Outlook": "________________________________\nFrom: Bob <b@x.test>\nSent: Monday 10:00\nSubject: Seats\n",
    "Yahoo": "   ----- Forwarded Message ----- \n",
    "Naver": "---------- 전달된 메시지 ----------\n",
}


@pytest.mark.parametrize("program", FORWARDS)
@pytest.mark.parametrize("own", ["Please see below, they are in a hurry.", ""])
def test_what_is_passed_on_is_not_said_by_who_passes_it_on(program: str, own: str) -> None:
    """A forwarded customer's words are nobody's, also where the sender points at them; seen to fail for "below"."""
    body = f"{own}\n\n{FORWARDS[program]}\nWe want 12 seats.\n\n{'Thanks, we pay at once. ' * 9}"
    mail = parse_mail(HEAD + b"Subject: Fwd: Seats\r\n\r\n" + body.encode())
    assert _said(mail) == ([own] if own else [])
    assert "12 seats" in mail.text


def test_a_word_about_a_forward_announces_none() -> None:
    """Whoever writes of a forwarded message says it, and so does who rules a line."""
    body = "I have the forwarded message from Bob.\n\n----- our offer -----\nWe want 12 seats."
    assert _said(parse_mail(HEAD + b"\r\n" + body.encode())) == [body]


def test_a_reply_without_quote_marks_ends_at_its_announcement() -> None:
    """Some programs quote without ">"; then all below "On ... wrote:" is the other's."""
    body = "Fine with me.\n\nOn Mon, 16 Nov 2026 at 10:22, Anna wrote:\nThe price is 900 EUR.\nAnna"
    assert _said(parse_mail(HEAD + b"\r\n" + body.encode())) == ["Fine with me."]


def test_an_answer_below_a_bare_announcement_is_kept_whole() -> None:
    """Where nothing but the announcement can be told apart, the words are kept and the doubt is noted."""
    mail = parse_mail(HEAD + b"\r\nOn Mon, 16 Nov 2026 at 10:22, Anna wrote:\nWhat price?\nWe offer 900 EUR.")
    assert _said(mail) == ["What price?\nWe offer 900 EUR."]
    assert any("taken as said" in problem for problem in mail.problems)


def test_answers_inside_an_outlook_mail_are_kept_when_the_own_words_point_at_them() -> None:
    """ "See my answers below in red" above a quoted mail means that the answers stand inside it."""
    block = "From: Anna <a@x.test>\nSent: Monday\nTo: Bob\nSubject: Offer\n\n" + "How many?\nForty seats.\n" * 20
    kept = parse_mail(HEAD + b"\r\nSee my answers below in red.\n\n" + block.encode())
    assert "Forty seats." in "".join(_said(kept))
    assert "From: Anna" not in "".join(_said(kept))
    assert any("taken as said" in problem for problem in kept.problems)
    plain = parse_mail(HEAD + b"\r\nThanks, agreed.\n\n" + block.encode())
    assert _said(plain) == ["Thanks, agreed."]


@pytest.mark.parametrize(
    "body",
    [
        "Our terms are these:\nforty seats from March.",
        "To: be honest\nDate: unknown\nwe don't know yet.",
        "Thanks,\nTuesday at 10:00 works for us.",
        "Best regards to your team, we will sign.",
        "- one\n- two\n--\n" + "\n".join(f"line {n}" for n in range(40)),
        "5 -> 6 and a > b",
        "From: 10 to 12\nDate: Friday\nplease book us a room.",
        "Best,\nTuesday works for us.",
        "We rank them:\nBest\n" + "\n".join(f"number {n}" for n in range(12)),
        "We like the room.\nBest\n" + "and this line goes on with what matters to us, " * 4 + "forty seats.",
    ],
)
def test_ordinary_words_are_not_taken_for_quotes_or_signatures(body: str) -> None:
    """Colons, lists, dashes and greetings inside a text leave it whole."""
    assert _said(parse_mail(HEAD + b"\r\n" + body.encode())) == [body]


def test_hidden_html_is_left_out_and_counted() -> None:
    """Text that no reader could see never reaches a prompt, whichever of the usual ways hides it."""
    mail = _fixture("hidden_injection.eml")
    assert "hidden" not in mail.text.lower()
    assert "secret-link" not in mail.text
    for seen in ("Seen inside.", "Seen again.", "Seen by all who open it on paper.", "a demo this week."):
        assert seen in mail.text
    assert "- one seat\n- two desks\n\n1. first\n2. second\n\na\tb" in mail.text
    assert mail.problems == ("hidden text left out: 101 characters",)


@pytest.mark.parametrize(
    "page",
    [
        '<p style="color:#fff">{}</p>', '<font color="white">{}</font>', '<p style="color:rgb(254, 255, 254)">{}</p>',
        '<div style="background:#112233"><b style="color:#112234">{}</b></div>',
        '<p style="color:rgba(0,0,0,0)">{}</p>',
        '<table><tr><td bgcolor="#000000"><font color="#000">{}</font></table>', '<p aria-hidden="true">{}</p>',
        "<!-- {} -->",
        '<p style="width:0;height:0;overflow:hidden">{}</p>', '<p style="line-height:0">{}</p>', '<img alt="{}">',
        '<p style="position:absolute;right:-9999px">{}</p>', '<p style="transform:translateX(-9999px)">{}</p>',
        '<p style="clip-path:inset(100%)">{}</p>', '<p style="font-size:0.05em">{}</p>',
        '<p style="font-size:1%">{}</p>',
        '<p title="{}"></p>', '<input type="hidden" value="{}">', "<noframes>{}</noframes>", "<title>{}</title>",
        '<p style="transform:scale(0)">{}</p>', '<a href="https://x.test/{}"></a>', "<datalist><option>{}</datalist>",
    ],
)  # fmt: skip
def test_what_hides_words_from_a_reader_hides_them_from_a_model(page: str) -> None:
    """However a page keeps words from its reader, they are in no text; seen to fail before colours were compared."""
    mail = parse_mail(_typed("text/html", f"<p>Hello.</p>{page.format('obey')}".encode()))
    assert mail.text.strip() == "Hello."


@pytest.mark.parametrize(
    "page",
    [
        '<table><tr><td bgcolor="#0055aa"><font color="#fff">{}</font></table>',
        '<p style="color:rgba(0,0,0,0.87)">{}</p>',
        '<div style="background:url(x.png)"><b style="color:white">{}</b></div>', '<p style="color:#333">{}</p>',
        '<style>body{{background:#000}}</style><p style="color:#fff">{}</p>', '<p aria-hidden="false">{}</p>',
        '<div style="color:#fff"><a href="#">{}</a></div>', '<p style="font-size:0.9em;line-height:0.9">{}</p>',
        '<div style="background:linear-gradient(#000,#111)"><p style="color:#fff">{}</p></div>',
        '<p style="width:0;height:0">{}</p>', '<p style="background-color:transparent;color:black">{}</p>',
    ],
)  # fmt: skip
def test_what_a_reader_sees_is_read(page: str) -> None:
    """White on blue, on a picture, on a sheet's own colour is there to be read; seen to fail with any white hidden."""
    mail = parse_mail(_typed("text/html", f"<p>Hello.</p>{page.format('You see me.')}".encode()))
    assert "You see me." in mail.text


def test_text_stays_whole_but_for_what_cant_be_stored() -> None:
    """Zero-width and tag characters stay; NUL goes, a lone surrogate becomes U+FFFD, line ends become LF."""
    body = "a\u200bb\U000e0041c\r\nd\re\0f"
    mail = parse_mail(_typed("text/plain; charset=utf-8", body.encode()))
    assert mail.text == "a\u200bb\U000e0041c\nd\ne" + "f"
    html = parse_mail(_typed("text/html; charset=utf-8", b"<p>x&#xD800;y&#0;z</p>"))
    assert html.text == "x\ufffdy\ufffdz"


@pytest.mark.parametrize(
    ("charset", "body", "text", "noted"),
    [
        ("x-nonsense", "Grüße".encode(), "Grüße", True),
        ("utf-8", b"Gr\xfc\xdfe", "Grüße", True),
        ("us-ascii", "Grüße".encode(), "Grüße", False),
        ("iso-8859-1", b"\x93Gr\xfc\xdfe\x94", "“Grüße”", False),
        ("utf-16-le", b"a", "\ufffd", True),
        ("idna", b"xn--a", "xn--a", True),
        ("unicode_escape", b"\\ud800\\x41", "\\ud800\\x41", True),
        ("hex", b"41", "41", True),
        ("punycode", b"a" * 50, "a" * 50, True),
        ("../../etc", b"a", "a", True),
        ("big5", "你好".encode("big5"), "你好", False),
        ("utf-7", b"+AOk-t+AOk-", "été", False),
    ],
)
def test_a_wrong_or_unknown_charset_costs_characters_never_the_mail(
    charset: str, body: bytes, text: str, noted: bool
) -> None:
    """Decoding always ends in text; what had to be guessed or replaced is noted."""
    mail = parse_mail(_typed(f'text/plain; charset="{charset}"', body, "Content-Transfer-Encoding: 8bit"))
    assert mail.text == text
    assert bool(mail.problems) is noted


@pytest.mark.parametrize(
    ("body", "text", "noted"),
    [
        (base64.b64encode("Grüße".encode()), "Grüße", False),
        (b"SGVs\r\nbG8=\r\n", "Hello", False),
        (b"SGVs!!*bG8", "Hello", True),
        (b"SGVsb", "Hel", True),
        (b"====", "", True),
        (b"\xff\xfe", "", True),
    ],
)
def test_damaged_base64_is_read_as_far_as_possible(body: bytes, text: str, noted: bool) -> None:
    """Garbage in a transfer encoding is noted and costs no more than itself."""
    mail = parse_mail(_typed("text/plain; charset=utf-8", body, "Content-Transfer-Encoding: base64"))
    assert mail.text == text
    assert any("base64" in problem for problem in mail.problems) is noted


# ------------------------------------------------------------------------------------------------ the parts


def test_nested_parts_give_text_attachments_and_invitations() -> None:
    """HTML wins within its alternative; an attached mail and a named text are attachments, not the sender's words."""
    mail = _fixture("nested_mixed.eml")
    assert mail.subject == "Anfrage über 40 Plätze"
    assert mail.from_ == (Address("Jörg Müller", "joerg@example.org"),)
    assert mail.text == "Rich words.\n\nList footer."
    assert [(part.name, part.mime, part.size_bytes) for part in mail.attachments] == [
        ("", "text/calendar", 30),
        ("", "message/rfc822", 92),
        ("€ notes.txt", "text/plain", 13),
    ]
    assert mail.attachments[2].sha256 == hashlib.sha256(b"Attached text").hexdigest()
    assert [(part.method, part.content) for part in mail.calendar_parts] == [
        ("REQUEST", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR")
    ]


def test_plain_text_serves_when_the_html_has_no_words() -> None:
    """A page that is only a picture doesn't hide the words beside it."""
    body = b"--b\r\n\r\nThe words.\r\n--b\r\nContent-Type: text/html\r\n\r\n<img src=x>\r\n--b--"
    assert parse_mail(_typed("multipart/alternative; boundary=b", body)).text == "The words."


@pytest.mark.parametrize(
    "head",
    [
        "Content-Type: text/plain; name=notes.txt",
        "Content-Disposition: inline; filename=notes.txt",
        "Content-Disposition: attachment",
    ],
)
def test_a_text_file_that_came_along_is_no_text_of_the_mail(head: str) -> None:
    """A text part with a name, or marked as attachment, was not written into this mail."""
    body = f"--b\r\n\r\nThe words.\r\n--b\r\n{head}\r\n\r\nA file.\r\n--b--".encode()
    mail = parse_mail(_typed("multipart/mixed; boundary=b", body))
    assert mail.text == "The words."
    assert [part.size_bytes for part in mail.attachments] == [7]


def test_the_version_that_is_not_read_raises_no_problem() -> None:
    """What is wrong with the plain text doesn't matter when the HTML was read."""
    plain = b"--b\r\nContent-Type: text/plain; charset=x-odd\r\n\r\nwords\r\n"
    body = plain + b"--b\r\nContent-Type: text/html\r\n\r\n<p>words</p>\r\n--b--"
    assert parse_mail(_typed("multipart/alternative; boundary=b", body)).problems == ()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b.txt", "\u202efdp.exe", "x" * 3000])
def test_an_attachment_s_name_is_short_printable_data(name: str) -> None:
    """Control and direction characters go, the length is bounded; nothing is ever opened by this name."""
    part = f'--b\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n--b--'.encode()
    [attachment] = parse_mail(_typed("multipart/mixed; boundary=b", part)).attachments
    assert attachment.name.isprintable()
    assert len(attachment.name) <= 255


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/mixed", b"words"),
        ("multipart/mixed; boundary=b", b"words"),
        ('multipart/mixed; boundary=""', b"words"),
    ],
)
def test_a_multipart_without_parts_is_read_as_text(content_type: str, body: bytes) -> None:
    """A broken frame doesn't lose the words in it, and is noted."""
    mail = parse_mail(_typed(content_type, body))
    assert mail.text == "words"
    assert any(problem.startswith("multipart without") for problem in mail.problems)


def test_an_unclosed_inner_part_ends_where_the_outer_one_does() -> None:
    """A missing closing line costs nothing, and an outer boundary that begins like the inner one is told apart."""
    inner = b"--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\none\r\n--b\r\n\r\ntwo"
    assert parse_mail(_typed("multipart/mixed; boundary=b", inner)).text == "one\n\ntwo"


# ------------------------------------------------------------------------------------------------ hostile mails


def _nested(levels: int) -> bytes:
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(levels))


_BOMBS = {
    "100,000 parts": (_typed("multipart/mixed; boundary=b", b"--b\r\n\r\n\r\n" * 100_000), "100000 parts"),
    "101 parts": (_typed("multipart/mixed; boundary=b", b"--b\r\n\r\n\r\n" * 100), "101 parts or more; at most 100"),
    "1,000 nested": (HEAD + _nested(1_000), "more than 20 deep"),
    "21 nested": (HEAD + _nested(21) + b"\r\nx", "more than 20 deep"),
    "folded boundary": (
        _typed("multipart/mixed;\r\n boundary*0=b;\r\n boundary*1=c", b"--bc\r\n\r\n\r\n" * 5_000),
        "5000 parts",
    ),
    "20,000 addresses": (
        HEAD + b"To: " + b",".join(b"a%d@x.y" % n for n in range(20_000)) + b"\r\n\r\nx",
        "20000 recipients; at most 200",
    ),
    "201 over To and Cc": (
        HEAD + b"To: " + b"a@x.test," * 100 + b"\r\nCc: " + b"b@x.test," * 101 + b"\r\n\r\nx",
        "201 recipients",
    ),
    "5,000 brackets": (HEAD + b"To: " + b"(" * 5_000 + b"a@x.test\r\n\r\nx", "nested 5000 deep"),
    "huge header": (b"X-A: " + b"a" * 300_000 + b"\r\n" + HEAD + b"\r\nx", "headers larger than 262144 bytes"),
    "many headers": (HEAD + b"X-A: b\r\n" * 40_000 + b"\r\nx", "headers larger than 262144 bytes"),
    "deep HTML": (_typed("text/html", b"<div>" * 100_000), "HTML nested more than 1000 deep"),
    "deep HTML behind comments": (_typed("text/html", b"<div><!--</div>-->" * 5_000), "more than 1000 deep"),
    "deep HTML behind tables": (_typed("text/html", b"<div><table></div>" * 5_000), "more than 1000 deep"),
    "many attributes": (
        _typed("text/html", b"<p " + b" ".join(b"a%d" % n for n in range(9_000)) + b">"),
        "more than 2000 attributes",
    ),
    "too large": (HEAD + b"\r\n" + b"x" * (25 * 1024 * 1024), "at most 26214400"),
    "empty": (b"", "not an e-mail"),
    "no mail": (b"%PDF-1.7\n%\xe2\xe3\n", "not an e-mail"),
}


@pytest.mark.parametrize("name", list(_BOMBS))
def test_a_mail_built_to_exhaust_its_reader_is_refused_with_the_figure(name: str) -> None:
    """Each is refused before the costly step; the standard library's parser takes seconds for some, or raises."""
    raw, reason = _BOMBS[name]
    with pytest.raises(PermanentError, match=reason):
        parse_mail(raw)


def test_the_bounds_let_large_honest_mails_pass() -> None:
    """At the bound itself nothing is refused: 99 parts, 19 levels, 200 recipients."""
    parts = b"".join(b"--b\r\n\r\npart %d\r\n" % n for n in range(99)) + b"--b--"
    assert parse_mail(_typed("multipart/mixed; boundary=b", parts)).text.endswith("part 98")
    assert parse_mail(HEAD + _nested(19) + b"\r\ndeep").text == "deep"
    assert len(parse_mail(HEAD + b"To: " + b"a@x.test," * 200 + b"\r\n\r\nx").to) == 200


@pytest.mark.parametrize(
    "raw",
    [
        _typed("text/plain" + ";" * 200_000, b"words"),
        HEAD + b"Subject: " + b"=?utf-8?q?a?= =?latin1?q?b?= " * 8_000 + b"\r\n\r\nwords",
        HEAD + b"\r\n" + b"x y\n" * 600_000,
        HEAD + b"\r\n" + (b"On " + b"a " * 140 + b"1:\n") * 3_000,
        HEAD + b"\r\n" + b"From: a\n" * 120_000,
        HEAD + b"\r\n" + b"On 12:30 x:\n> a\n" * 50_000,
        _typed("text/html", b"<li>x" * 190_000),
        _typed("text/html", b"<style>" + b"a," * 50_000 + b"</style>words"),
        _typed("text/html", b"<div>" * 999 + b"<div></div>" * 50_000 + b"words"),
        _typed("text/html", b"<" * 500_000),
        _typed("text/html", b"<!-- tracked -->" * 3_000 + b"words"),
    ],
)
def test_costly_looking_mails_within_the_bounds_are_read(raw: bytes) -> None:
    """Nothing here is quadratic: with slices per line, or the library's expressions on whole texts, this test hangs."""
    assert parse_mail(raw).text


def test_a_very_long_text_is_cut_and_says_so() -> None:
    """The bound on text is the only one that cuts instead of refusing."""
    mail = parse_mail(HEAD + b"\r\n" + b"x" * 1_000_001)
    assert len(mail.text) == 1_000_000
    assert mail.said == ((0, 1_000_000),)
    assert "text of 1000001 characters: cut after 1000000" in mail.problems


def _checked(raw: bytes) -> None:
    try:
        mail = parse_mail(raw)
    except PermanentError:
        return
    assert mail == parse_mail(raw)
    mail.text.encode("utf-8")
    mail.subject.encode("utf-8")
    assert "\0" not in mail.text
    assert "\r" not in mail.text
    previous = 0
    for start, end in mail.said:
        assert previous <= start < end <= len(mail.text)
        assert mail.text[start:end].strip() == mail.text[start:end]
        previous = end
    if mail.signature:
        start, end = mail.signature
        assert 0 <= start < end <= len(mail.text)
        assert all(end <= first or start >= last for first, last in mail.said)
    assert mail.date is None or mail.date.tzinfo is UTC
    assert mail.thread_root


_NAMES = ["From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "X"]
_VALUES = [
    "a@b.c", "=?utf-8?b?w7w=?=", "=?\ud83d?q?x?=", "text/html; charset=utf-16", "multipart/mixed; boundary=b", "base64",
    "multipart/alternative; boundary*0*=utf-8''b", "quoted-printable", 'text/plain; charset*=idna\'\'"x"', "<a@b>",
    "(((", "text/plain; charset=hex", "text/html", "Mon, 16 Nov 2026 10:00:00 +2500", "message/rfc822",
    "text/calendar; method=x",
]  # fmt: skip
_CHUNKS = [
    b"--b\r\n", b"--b--\r\n", b"\r\n", b"> quoted\n", b"On 1 Jan 2026 10:00, A <a@b.c> wrote:\n", b"-- \n", b"\r",
    b"From: a@b.c\nSent: x\nTo: y\nSubject: z\n", b"<div class=gmail_quote>", b"<blockquote type=cite>", b"</div>",
    b"<p hidden>", b"&#xD800;", b"\xff\xfe", b"\xed\xa0\x80", b"\0", "ü\u2028\x85\u200b".encode(), b"=3D=\n", b"words ",
    b"Best regards,\n", b"Content-Type: text/html\n", b"<li>", b"<ol>", b"<td>", b"<br>", b"<!--", b"<style>",
]  # fmt: skip


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_mail_or_a_permanent_error(raw: bytes) -> None:
    """Nothing else ever comes out: no RecursionError, no UnicodeError, no LookupError."""
    _checked(raw)
    _checked(HEAD + b"\r\n" + raw)


@given(
    st.lists(st.tuples(st.sampled_from(_NAMES), st.sampled_from(_VALUES) | st.text(max_size=40)), max_size=8),
    st.lists(st.sampled_from(_CHUNKS) | st.binary(max_size=12), max_size=25),
)
@settings(max_examples=600, deadline=None)
def test_any_mosaic_of_mail_fragments_is_a_mail_or_a_permanent_error(
    fields: list[tuple[str, str]], chunks: list[bytes]
) -> None:
    """Spans lie in the text, own words and signature never overlap, and a second reading is the same."""
    head = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("utf-8", "surrogatepass")
    _checked(head + b"\r\n" + b"".join(chunks))


# ------------------------------------------------------------------------------------------------ beside the mail


def test_an_mbox_is_cut_into_the_bytes_of_its_mails() -> None:
    """Each mail is what stands between two separators, its escaped lines left as they are."""
    one = b"From: a@x.test\n\nFrom now on we order online.\n\nFrom here to there.\n>From a friend\n"
    two = b"From: b@x.test\r\n\r\nSecond.\r\n"
    box = b"From - Mon Nov 16 10:00:00 2026\n" + one + b"\nFrom b@x.test Mon Nov 16 10:05:00 2026\r\n" + two + b"\r\n"
    assert list(split_mbox(box)) == [one, two]
    assert [parse_mail(mail).from_[0].email for mail in split_mbox(box)] == ["a@x.test", "b@x.test"]


@pytest.mark.parametrize("raw", [b"", b"From: a@x.test\n\nhi", b"\nFrom - Mon Nov 16 10:00:00 2026\nx"])
def test_what_is_no_mbox_is_refused_at_once(raw: bytes) -> None:
    """The refusal comes from the call, not from the first step of the iteration."""
    with pytest.raises(PermanentError, match="not an mbox"):
        split_mbox(raw)


def test_an_mbox_of_too_many_mails_is_refused() -> None:
    """A bound on the number of mails, named in the error."""
    with pytest.raises(PermanentError, match="more than 50000 mails"):
        split_mbox(b"From - Mon Nov 16 10:00:00 2026\nA: b\n\nx\n\n" * 50_001)


def test_every_fixture_is_exercised() -> None:
    """A fixture that no test reads proves nothing."""
    named = Path(__file__).read_text(encoding="utf-8")
    for path in FIXTURES.glob("*.eml"):
        assert path.name in named or path.name.removeprefix("reply_").removesuffix(".eml") in REPLIES
        assert path.name in (FIXTURES / "SOURCES.md").read_text(encoding="utf-8") or path.name.startswith("reply_")
