"""What can be set of how any vendor's API is reached: time-outs, waits, and an address to which a secret may be sent.

Each adapter's options are these and its own; where a vendor needs another default, its options say so. The trade-off:
descriptions are the same for all, so what one vendor means by a setting stands in its document and not here.
"""

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from adapters.http.calls import Timeouts


def safe(url: str) -> str:
    """Return an address to which a token may be sent, without its last slash; `ValueError` for any other."""
    parts = urlsplit(url)
    if parts.username or parts.query or parts.fragment or parts.path.strip("/") or not parts.hostname:
        raise ValueError("it is a scheme and a host and nothing else, such as https://api.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("a secret is sent there, so it must be https; http is for 127.0.0.1 alone")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(safe)]
"""An address to which a secret may be sent."""


class Reach(BaseModel):
    """How long is waited for an API, and for how long what it said is remembered."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="To open a connection")
    read_timeout_s: float = Field(30.0, gt=0, le=300, description="For each part of an answer")
    call_timeout_s: float = Field(60.0, gt=0, le=600, description="For a whole answer")
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    settle_s: float = Field(90.0, ge=0, le=3600, description="When a look after an unknown outcome is conclusive")
    cache_s: float = Field(600.0, ge=0, le=86_400, description="How long fields, pipelines, users are remembered")

    @property
    def timeouts(self) -> Timeouts:
        """Return the time-outs of one call."""
        return Timeouts(self.connect_timeout_s, self.read_timeout_s, self.call_timeout_s)


def host_of(url: str) -> str:
    """Return an `Address`'s host, with the port where one is named."""
    return urlsplit(url).netloc.lower()


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
