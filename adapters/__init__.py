"""What speaks to outside systems, by port and name; imported late, so that nobody pays for what he doesn't use.

A table maps the `type` of a config section to "module:Class". It is the only place where a new adapter is announced.
Explicit tables were chosen over entry points and scanning: one look shows what exists, and a config can't name code
that was never reviewed.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from sidecar.errors import ConfigError

CHANNELS: Mapping[str, str] = {
    "webhook": "adapters.channels.webhook:WebhookChannel",
    "imap": "adapters.channels.imap:ImapChannel",
    "maildrop": "adapters.channels.maildrop:MaildropChannel",
    "transcripts": "adapters.channels.maildrop.uploads:TranscriptsChannel",
    "caldav": "adapters.channels.caldav:CaldavChannel",
    "gcalendar": "adapters.channels.gcalendar:GoogleCalendarChannel",
    "icsfeed": "adapters.channels.icsfeed:IcsFeedChannel",
    "calendly": "adapters.channels.calendly:CalendlyChannel",
    "calcom": "adapters.channels.calcom:CalcomChannel",
    "chatwoot": "adapters.channels.chatwoot:ChatwootChannel",
    "intercom": "adapters.channels.intercom:IntercomChannel",
    "fireflies": "adapters.channels.fireflies:FirefliesChannel",
    "aircall": "adapters.channels.aircall:AircallChannel",
    "dialpad": "adapters.channels.dialpad:DialpadChannel",
    "gong": "adapters.channels.gong:GongChannel",
    "meta": "adapters.channels.meta:MetaChannel",
    "microsoft365_mail": "adapters.channels.graph.mail:MailChannel",
    "microsoft365_calendar": "adapters.channels.graph.calendar:CalendarChannel",
    "gmail": "adapters.channels.gmail:GmailChannel",
    "zoom": "adapters.channels.zoom:ZoomChannel",
    "twilio": "adapters.channels.twilio:TwilioChannel",
}
LEDGERS: Mapping[str, str] = {
    "local": "adapters.crms.local:LocalLedger",
    "hubspot": "adapters.crms.hubspot:HubSpotLedger",
    "pipedrive": "adapters.crms.pipedrive:PipedriveLedger",
    "salesforce": "adapters.crms.salesforce:SalesforceLedger",
    "zoho": "adapters.crms.zoho:ZohoLedger",
}
LLMS: Mapping[str, str] = {
    "baseline": "adapters.llms.baseline:BaselineLLM",
    "anthropic": "adapters.llms.anthropic:AnthropicLLM",
    "openai": "adapters.llms.openai_compatible:OpenAICompatibleLLM",
    "scripted": "adapters.llms.scripted:ScriptedLLM",
}
ENGINES: Mapping[str, str] = {"embedded": "adapters.engines.embedded:EmbeddedEngine"}
NOTIFIERS: Mapping[str, str] = {
    "webhook": "adapters.notifiers.webhook:WebhookNotifier",
    "smtp": "adapters.notifiers.smtp:SmtpNotifier",
}
TRANSCRIBERS: Mapping[str, str] = {"openai": "adapters.transcribers.openai_compatible:OpenAICompatibleTranscriber"}


def load(table: Mapping[str, str], name: str, setting: str = "type") -> type[Any]:
    """Return the adapter class that a table names; `ConfigError` on `setting`, with the known names, for any other.

    The name is not repeated: what stands in the wrong place may be a secret.
    """
    if name not in table:
        raise ConfigError(f"there is no such type; known are {', '.join(sorted(table))}", setting=setting)
    module, _, cls = table[name].partition(":")
    loaded: type[Any] = getattr(import_module(module), cls)
    return loaded
