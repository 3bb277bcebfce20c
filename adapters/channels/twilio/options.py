"""Settings of one account of Twilio's, and what they must be to work.

The address that Twilio calls is a setting, since it is part of what is signed and nobody's header may say it.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adapters.channels.twilio.addresses import bare
from adapters.channels.twilio.drafts import Rules
from adapters.http.calls import Timeouts
from adapters.http.options import Address


def called(url: str) -> str:
    """Return the address that Twilio calls; `ValueError` for one that it can't."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("it is the whole address that Twilio calls, such as https://sidecar.example.com/hooks/twilio")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("write it as Twilio's console shows it, in plain letters")
    _ = parts.port  # raises for a port that is no number
    return url


class TwilioOptions(BaseModel):
    """Settings of one account, or subaccount, of Twilio's."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="The account's or subaccount's sid")
    public_url: Annotated[str, AfterValidator(called)] = Field(description="The whole address that Twilio calls")
    auth_token_env: str | None = Field(None, description="Variable with the auth tokens, parted by commas")
    auth_token_file: str | None = Field(None, description="File with the auth tokens, one a line")
    api_key_sid: str | None = Field(None, pattern=r"^SK[0-9a-fA-F]{32}$", description="An API key's sid, for the poll")
    api_key_secret_env: str | None = Field(None, description="Variable with the API key's secret")
    api_key_secret_file: str | None = Field(None, description="File with the API key's secret")
    numbers: tuple[str, ...] = Field((), max_length=1000, description="Numbers of ours that count; none is all")
    transcripts: bool = Field(
        False, description="Whether what is said in calls may be read and kept; off until you know that it may"
    )
    live_words: bool = Field(
        True, description="Whether words of real-time transcriptions count, where words may be kept"
    )
    inbound_track: Literal["customer", "agent"] = Field("customer", description="Who speaks on a call's inbound track")
    customer_channel: Literal[0, 1, 2] = Field(0, description="The customer's channel in recordings; 0 is by the call")
    trusted_speakers: bool = Field(False, description="Whether the agent's channel is surely one of our people's")
    outbound_by: Literal["agent", "bot"] = Field("bot", description="Who writes what is sent through the account's API")
    base_url: Address = Field("https://api.twilio.com", description="Where its API is, without a path")
    intelligence_url: Address = Field("https://intelligence.twilio.com", description="Where finished transcripts are")
    every_s: float = Field(300.0, ge=1, le=86_400, description="Seconds from one poll to the next")
    rest_s: int = Field(120, ge=0, le=86_400, description="Least seconds from one reading of the lists to the next")
    overlap_days: int = Field(2, ge=1, le=30, description="How many days each poll reads again")
    batch_size: int = Field(50, ge=1, le=500, description="Deliveries that are made durable together")
    max_item_bytes: int = Field(5_000_000, ge=1_000, le=50_000_000)
    max_body_bytes: int = Field(1_000_000, ge=1_000, le=50_000_000)
    max_media_bytes: int = Field(50_000_000, ge=1_000, le=500_000_000)
    connect_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(30.0, gt=0, le=300)
    call_timeout_s: float = Field(60.0, gt=0, le=600)
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    calls_per_s: int = Field(5, ge=1, le=1000, description="Most calls of its API in a second")

    @property
    def timeouts(self) -> Timeouts:
        """Return the time-outs of one call."""
        return Timeouts(self.connect_timeout_s, self.read_timeout_s, self.call_timeout_s)

    @property
    def rules(self) -> Rules:
        """Return what these settings say of reading."""
        return Rules(
            numbers=frozenset(bare(number) for number in self.numbers),
            transcripts=self.transcripts,
            live_words=self.live_words,
            inbound_track=self.inbound_track,
            customer_channel=self.customer_channel,
            trusted_speakers=self.trusted_speakers,
            outbound_by=self.outbound_by,
        )
