"""The date grammar: what it reads in seven languages, what it leaves open, and where it sees no date at all."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.llms.baseline.text import fold
from adapters.llms.baseline.words import LANGUAGES, languages

MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def due(code: str, text: str, said_at: datetime = MONDAY) -> list[str]:
    """Return what each moment in the text is due."""
    return [m.due for m in languages()[code].grammar.find(fold(text), text, said_at)]


@pytest.mark.parametrize(
    ("code", "text", "wanted"),
    [
        ("en", "Could we say Friday at half seven?", "2026-11-27"),
        ("en", "Shall we meet tomorrow at 9.30am?", "2026-11-24T09:30"),
        ("en", "I'm free Wed 2 pm", "2026-11-25T14:00"),
        ("en", "The 3rd of December at 11 works", "2026-12-03T11:00"),
        ("en", "December 3rd, 2026 then", "2026-12-03"),
        ("en", "in three days", "2026-11-26"),
        ("en", "Tuesday next week around 3", "2026-12-01T15:00"),
        ("en", "by the end of the month", "2026-11-30"),
        ("en", "by the end of this week", "2026-11-27"),
        ("en", "the day after tomorrow at noon", "2026-11-25T12:00"),
        ("en", "on 14/12 please", "2026-12-14"),
        ("en", "11/26/2026", "2026-11-26"),
        ("en", "on 2026-12-01 14:15", "2026-12-01T14:15"),
        ("en", "in January 2027, on January 12", "2027-01-12"),
        ("de", "Passt Ihnen Mittwoch um 16 Uhr 15?", "2026-11-25T16:15"),
        ("de", "übermorgen gegen 9", "2026-11-25T09:00"),
        ("de", "am 3. Dezember um 11:30 Uhr", "2026-12-03T11:30"),
        ("de", "am 03.12. um halb zehn", "2026-12-03T09:30"),
        ("de", "kommenden Samstag", "2026-11-28"),
        ("de", "nächste Woche Dienstag", "2026-12-01"),
        ("de", "in drei Tagen", "2026-11-26"),
        ("de", "morgen früh", "2026-11-24"),
        ("de", "Montag Morgen um 8", "2026-11-30T08:00"),
        ("es", "¿El miércoles a las 17:00?", "2026-11-25T17:00"),
        ("es", "pasado mañana a las 4 de la tarde", "2026-11-25T16:00"),
        ("es", "el 3 de diciembre a las once", "2026-12-03T11:00"),
        ("es", "el martes de la semana que viene", "2026-12-01"),
        ("es", "dentro de dos semanas", "2026-12-07"),
        ("es", "el próximo sábado", "2026-11-28"),
        ("es", "a finales de mes", "2026-11-30"),
        ("fr", "mercredi à 17h15 si possible", "2026-11-25T17:15"),
        ("fr", "après-demain à midi", "2026-11-25T12:00"),
        ("fr", "le 3 décembre à 9 heures", "2026-12-03T09:00"),
        ("fr", "mardi de la semaine prochaine", "2026-12-01"),
        ("fr", "dans dix jours", "2026-12-03"),
        ("fr", "samedi prochain vers 10h", "2026-11-28T10:00"),
        ("fr", "le 03/12 à 8h", "2026-12-03T08:00"),
        ("fr", "jeudi à dix heures et quart", "2026-11-26T10:15"),
        ("fr", "à la fin du mois prochain", "2026-12-31"),
        ("en", "a quarter to nine on Thursday evening", "2026-11-26T20:45"),
        ("en", "by the end of the year", "2026-12-31"),
        ("en", "on the 7th, please", "2026-12-07"),
        ("en", "a week on Wednesday", "2026-12-02"),
        ("de", "Freitagabend um acht", "2026-11-27T20:00"),
        ("de", "am 7., wenn es geht", "2026-12-07"),
        ("de", "Dienstag um Viertel vor zwei", "2026-11-24T13:45"),
        ("es", "el jueves a las nueve y cuarto de la noche", "2026-11-26T21:15"),
        ("es", "el día 7, por favor", "2026-12-07"),
        ("it", "dopodomani alle 9 di sera", "2026-11-25T21:00"),
        ("it", "giovedì prossimo alle undici e un quarto", "2026-11-26T11:15"),
        ("it", "l'1 dicembre ore 14:30", "2026-12-01T14:30"),
        ("it", "entro due settimane", "2026-12-07"),
        ("it", "martedì della settimana prossima", "2026-12-01"),
        ("it", "alla fine del mese", "2026-11-30"),
        ("pt", "depois de amanhã às 9 da noite", "2026-11-25T21:00"),
        ("pt", "quinta-feira às onze e um quarto", "2026-11-26T11:15"),
        ("pt", "sexta que vem às 14h30", "2026-11-27T14:30"),
        ("pt", "daqui a duas semanas", "2026-12-07"),
        ("pt", "terça da próxima semana", "2026-12-01"),
        ("pt", "até ao fim do mês", "2026-11-30"),
        ("nl", "overmorgen om 9 uur 's avonds", "2026-11-25T21:00"),
        ("nl", "donderdag om kwart voor elf", "2026-11-26T10:45"),
        ("nl", "vrijdagmiddag half drie", "2026-11-27T14:30"),
        ("nl", "over twee weken", "2026-12-07"),
        ("nl", "dinsdag volgende week", "2026-12-01"),
        ("nl", "eind van de maand", "2026-11-30"),
    ],
)
def test_a_date_is_read_from_when_it_was_said(code: str, text: str, wanted: str) -> None:
    """Relative days count from the message, hours are local, spans end on their last working day."""
    assert wanted in due(code, text)
    assert [found for found in due(code, text) if found and found != wanted] == []


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "05/06/2026"),
        ("en", "12-11-2026"),
        ("en", "next Thursday"),
        ("en", "Thursday 25 November"),
        ("en", "at 10"),
        ("de", "nächsten Freitag"),
        ("de", "um 10 Uhr"),
        ("es", "a las 10"),
        ("fr", "à 10h"),
    ],
)
def test_what_can_be_read_two_ways_stays_open(code: str, text: str) -> None:
    """A wrong date is worse than none: day or month first, this week or next, a weekday that isn't that day's."""
    moments = languages()[code].grammar.find(fold(text), text, MONDAY)
    assert moments
    assert [m.due for m in moments if m.due] == []


@pytest.mark.parametrize(
    ("code", "text", "kept"),
    [
        ("en", "We spoke last Thursday", ""),
        ("de", "seit Montag", ""),
        ("es", "el jueves pasado", ""),
        ("fr", "hier", ""),
        ("it", "lo scorso giovedì", ""),
        ("pt", "na quinta passada", ""),
        ("nl", "afgelopen donderdag", ""),
    ],
)
def test_what_is_over_is_never_due(code: str, text: str, kept: str) -> None:
    """A past day is recognised, so that its weekday isn't read as the coming one."""
    assert set(due(code, text)) == {kept}


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("en", "we sat in the sun"),
        ("en", "may I come in and sit with Fri's friends?"),
        ("en", "we offer 24/7 support on version 2.11, rated 4.5/5"),
        ("en", "march on, we second that, me too"),
        ("en", "Call 020 7946 0018 or order 10 units at 10% off"),
        ("en", "at 10 people it gets cheaper, 1/2 price"),
        ("en", "Sundays are quiet and every Monday we train"),
        ("de", "Guten Morgen, so machen wir das, di Mi do"),
        ("de", "Das kostet 12.50 Euro, mindestens 2.500 im Jahr"),
        ("de", "Ich habe am Morgen keine Zeit"),
        ("es", "por la mañana no puedo, mar y sol"),
        ("es", "somos 25 personas y 3 perros"),
        ("fr", "la mer est belle et je vous sers un ver de vin"),
        ("fr", "cela coûte 12,50 € pour 4 personnes"),
        ("en", "on the 4th floor, open Monday to Friday, in the second week"),
        ("it", "ogni lunedì, al mare con 3 amici, dal martedì al venerdì"),
        ("it", "di mattina bevo il caffè, il 20% di sconto"),
        ("pt", "pela segunda vez, a quarta parte, na quinta edição"),
        ("pt", "o mar, o dia e 3 pessoas, de segunda a sexta"),
        ("nl", "goedemorgen, wij zijn zo blij, do you di mo"),
        ("nl", "elke maandag met 4 personen, van dinsdag tot vrijdag"),
    ],
)
def test_a_sentence_without_a_date_has_none(code: str, text: str) -> None:
    """Words and numbers that look like dates are left alone; libraries found dates in most of these."""
    assert [found for found in due(code, text) if found] == []


def test_a_weekday_said_on_that_day_is_next_weeks() -> None:
    """A weekday that is today's is seldom meant for today."""
    assert due("en", "Thursday at 3pm", datetime(2026, 11, 26, 9, 0, tzinfo=UTC)) == ["2026-12-03T15:00"]


def test_a_date_long_over_is_next_years() -> None:
    """A day and month that lie far back mean the coming year, just passed they mean what is over."""
    assert due("en", "on 12 January") == ["2027-01-12"]
    assert due("en", "on 12 January", datetime(2026, 1, 20, 9, 0, tzinfo=UTC)) == [""]


@given(code=st.sampled_from(LANGUAGES), text=st.text(max_size=120), day=st.dates(date(2000, 1, 1), date(2099, 1, 1)))
def test_any_text_is_read_without_harm(code: str, text: str, day: date) -> None:
    """Whatever people write, moments lie inside the text and what is due is a real date."""
    for moment in languages()[code].grammar.find(fold(text), text, datetime.combine(day, MONDAY.timetz())):
        assert 0 <= moment.start < moment.end <= len(text)
        assert not moment.due or datetime.fromisoformat(moment.due).year >= 1999


_PIECES = st.sampled_from(
    ("31", "30", "29", "0", "24", "february", "febrero", "fevrier", "februar", "thursday", "at", "um", "a las", "h",
     ".", "uhr", "in", "dans", "next", "2026", "/", "-", ":", "pm", "halb", "zwolf", "week", "days", "mañana", "31.02.")
)  # fmt: skip


@given(code=st.sampled_from(LANGUAGES), pieces=st.lists(_PIECES, max_size=12))
def test_dates_that_do_not_exist_are_not_made_up(code: str, pieces: list[str]) -> None:
    """The 31st of February and 24:61 are no moments that anything is due at, and no crash."""
    text = " ".join(pieces)
    assert all(datetime.fromisoformat(found).year >= 2000 for found in due(code, text) if found)
