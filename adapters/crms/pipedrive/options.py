"""Settings of the `[crm]` section for type `pipedrive`, each with the bound that keeps a typing error from hurting."""

from ipaddress import ip_address
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator


class PipedriveOptions(BaseModel):
    """How to reach one Pipedrive company, and how hard it may be asked.

    The defaults of `burst` and `search_burst` leave others of the token's user room on the smallest plan, which allows
    20 calls in 2 s, and 10 searches on every plan. Source: Pipedrive's rate limiting guide, read 2026-11.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token_env: str | None = Field("PIPEDRIVE_TOKEN", description="Variable that holds the personal API token")
    token_file: str | None = Field(None, description="File that holds it")
    base_url: str | None = Field(None, description="Where the company is, https://yours.pipedrive.com")
    reset_timezone: str = Field("UTC", description="Time zone whose midnight renews the day's tokens")
    reserve: int = Field(200, ge=0, le=1_000_000, description="Tokens of a day that are left to others")
    burst: int = Field(16, ge=2, le=1000, description="Most calls in 2 s")
    search_burst: int = Field(8, ge=1, le=1000, description="Most searches in 2 s")
    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="To open a connection")
    read_timeout_s: float = Field(30.0, gt=0, le=300, description="For each part of an answer")
    call_timeout_s: float = Field(60.0, gt=0, le=600, description="For a whole answer")
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    settle_s: float = Field(90.0, ge=0, le=3600, description="When a look after an unknown outcome is conclusive")
    search_lag_s: float = Field(60.0, ge=0, le=3600, description="How long search is behind writes")
    notes_back_days: int = Field(7, ge=1, le=90, description="How far back a note or task is looked for by its key")
    deletions_every_s: float = Field(3600.0, ge=0, le=86_400, description="How often known records are missed")
    cache_s: float = Field(600.0, ge=0, le=86_400, description="How long fields, pipelines, users are remembered")

    @field_validator("base_url")
    @classmethod
    def _safe(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.username or parts.query or parts.fragment or parts.path.strip("/") or not parts.hostname:
            raise ValueError("it is a scheme and a host, such as https://yours.pipedrive.com")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise ValueError("the token is sent there, so it must be https; http is for 127.0.0.1 alone")
        return url.rstrip("/")

    @field_validator("reset_timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("it is the name of a time zone, such as Europe/Berlin") from None
        return name


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
