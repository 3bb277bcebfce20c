"""The providers of the day, one file for each family; `all_providers` starts them all."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from tests.contract.imap_servers import mail_devel
from tests.contract.radicale import radicale
from tests.contract.test_channel_icsfeed import Publisher
from tests.day.provider import Provider
from tests.day.providers.agendas import Feed, Google, Outlook
from tests.day.providers.bookings import Calcom, Calendly
from tests.day.providers.calendar import Calendar
from tests.day.providers.chatwoot import Chatwoot
from tests.day.providers.drops import Drop, Uploads
from tests.day.providers.intercom import Intercom
from tests.day.providers.lines import Aircall, Dialpad, Gong
from tests.day.providers.mail import Mailbox
from tests.day.providers.mailboxes import Gmail, Office
from tests.day.providers.meta import Messenger, WhatsApp
from tests.day.providers.phone import Phone
from tests.day.providers.recorders import Recorder
from tests.day.providers.web import WebChat
from tests.support.facts import SetClock
from tests.support.gate import gate
from tests.twins.aircall import AircallTwin
from tests.twins.calcom import CalcomTwin
from tests.twins.calendly import CalendlyTwin
from tests.twins.chatwoot import ChatwootTwin
from tests.twins.dialpad import DialpadTwin
from tests.twins.fireflies import FirefliesTwin
from tests.twins.gcalendar import GoogleCalendarTwin
from tests.twins.gmail import GmailTwin
from tests.twins.gong import GongTwin
from tests.twins.graph import GraphTwin
from tests.twins.intercom import IntercomTwin
from tests.twins.twilio import TwilioTwin
from tests.twins.zoom import ZoomTwin


@contextmanager
def all_providers(folder: Path, clock: SetClock) -> Iterator[Sequence[Provider]]:
    """Run every provider, each for one way in which people reach us."""
    with ExitStack() as running:
        imap = running.enter_context(mail_devel())
        caldav = running.enter_context(radicale(folder))
        hub = running.enter_context(ChatwootTwin())
        gmail = running.enter_context(GmailTwin("sales@ours.test", clock))
        graph = running.enter_context(GraphTwin("ann@ours.test", clock=clock))
        twilio = running.enter_context(TwilioTwin())
        zoom = running.enter_context(ZoomTwin())
        fireflies = running.enter_context(FirefliesTwin())
        diary = running.enter_context(GoogleCalendarTwin("anna@ours.test", clock=clock))
        agenda = running.enter_context(GraphTwin("bob@ours.test", clock=clock))
        feed = running.enter_context(closing(Publisher()))
        aircall = running.enter_context(AircallTwin())
        dialpad = running.enter_context(DialpadTwin(page=2))
        gong = running.enter_context(GongTwin(page=2))
        calendly = running.enter_context(CalendlyTwin(page=3))
        calcom = running.enter_context(CalcomTwin(most=3))
        intercom = running.enter_context(IntercomTwin(most=3))
        at_mail = running.enter_context(gate(imap.port))
        at_calendar = running.enter_context(gate(int(caldav.rsplit(":", 1)[1])))
        yield (
            WebChat("web"),
            WhatsApp("whatsapp"),
            Messenger("messenger"),
            Messenger("instagram", platform="instagram"),
            Chatwoot("hub", twin=hub),
            Mailbox("mail", server=imap, gate=at_mail),
            Calendar("calendar", server=caldav, gate=at_calendar),
            Gmail("gmail", twin=gmail),
            Office("office", twin=graph),
            Phone("twilio", twin=twilio),
            Recorder("zoom", twin=zoom),
            Recorder("fireflies", twin=fireflies),
            Google("diary", twin=diary),
            Outlook("agenda", twin=agenda),
            Feed("feed", publisher=feed),
            Aircall("aircall", aircall=aircall),
            Dialpad("dialpad", dialpad=dialpad),
            Gong("gong", gong=gong),
            Calendly("calendly", twin=calendly),
            Calcom("calcom", twin=calcom),
            Intercom("intercom", twin=intercom),
            Drop("drop", path=folder / "drop"),
            Uploads("uploads", path=folder / "uploads"),
        )
