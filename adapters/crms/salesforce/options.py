"""Settings of the `[crm]` section for type `salesforce`, each with the bound that keeps a typing error from hurting."""

from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

SETTING = "crm.secret_env"
"""What errors about the session name."""


class SalesforceOptions(BaseModel):
    """How to reach one Salesforce org, as which user, and how hard it may be asked."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str | None = Field(None, description="The org's My Domain, https://yours.my.salesforce.com")
    auth: Literal["jwt", "client_credentials"] = Field("jwt", description="How a session is got from the client app")
    client_id: str = Field("", max_length=512, description="Consumer key of the External Client App")
    username: str = Field("", max_length=255, description="The integration user, for auth jwt")
    audience: str = Field("", max_length=255, description="Whom a JWT is for; by the host: login or test")
    secret_env: str | None = Field("SALESFORCE_SECRET", description="Variable with the private key or client secret")
    secret_file: str | None = Field(None, description="File that holds it")
    version: str = Field("68.0", pattern=r"^\d{2,3}\.0$", description="Version of the API")
    person: Literal["contact", "lead"] = Field("contact", description="What a new person becomes")
    history: bool = Field(True, description="Whether field history may be read to tell who wrote what")
    conditional_write: bool = Field(True, description="Whether an update names the state that it relies on")
    allow_duplicates: bool = Field(False, description="Whether duplicate rules that only warn are passed over")
    machines: tuple[str, ...] = Field((), max_length=200, description="Usernames whose edits are no person's")
    reserve: int = Field(1_000, ge=0, le=10_000_000, description="Calls of a day that are left to others")
    close_in_days: int = Field(90, ge=0, le=3650, description="Close date of a deal that has none")
    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="To open a connection")
    read_timeout_s: float = Field(60.0, gt=0, le=600, description="For each part of an answer")
    call_timeout_s: float = Field(120.0, gt=0, le=660, description="For a whole answer")
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for retries within one call")
    settle_s: float = Field(120.0, ge=0, le=3600, description="When a look after an unknown outcome is conclusive")
    cache_s: float = Field(600.0, ge=0, le=86_400, description="How long fields, stages, users are remembered")

    @field_validator("base_url")
    @classmethod
    def _safe(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.username or parts.query or parts.fragment or parts.path.strip("/") or not parts.hostname:
            raise ValueError("it is a scheme and a host, such as https://yours.my.salesforce.com")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise ValueError("the session is sent there, so it must be https; http is for 127.0.0.1 alone")
        if parts.hostname in ("login.salesforce.com", "test.salesforce.com"):
            raise ValueError("it is the org's own My Domain, not the common login host")
        return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
