"""Settings of the `[crm]` section for type `zoho`, each with the bound that keeps a typing error from hurting."""

from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

DataCenter = Literal["com", "eu", "in", "com.au", "jp", "com.cn", "sa", "ca"]


class ZohoOptions(BaseModel):
    """How to reach one org of Zoho CRM, and how hard it may be asked.

    Source: Zoho's OAuth and API limits pages, read 2026-11.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    data_center: DataCenter = Field("com", description="Where the org's data are: the end of its address, crm.zoho.eu")
    client_id: str = Field("", max_length=200, description="Of the self client or server-based app in the API console")
    client_secret_env: str | None = Field("ZOHO_CLIENT_SECRET", description="Variable that holds its secret")
    client_secret_file: str | None = Field(None, description="File that holds it")
    refresh_token_env: str | None = Field("ZOHO_REFRESH_TOKEN", description="Variable that holds the refresh token")
    refresh_token_file: str | None = Field(None, description="File that holds it")
    access_token_cache: str | None = Field(None, description="Where processes share the access token, if anywhere")
    accounts_url: str | None = Field(None, description="Where tokens are had, if not at the data center's own")
    base_url: str | None = Field(None, description="Where the API is, if not where the token's answer says")
    reserve: int = Field(500, ge=0, le=1_000_000, description="Credits of 24 hours that are left to others")
    concurrency: int = Field(4, ge=1, le=25, description="Most calls at once; the smallest edition allows 5")
    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="To open a connection")
    read_timeout_s: float = Field(30.0, gt=0, le=300, description="For each part of an answer")
    call_timeout_s: float = Field(60.0, gt=0, le=600, description="For a whole answer")
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    settle_s: float = Field(90.0, ge=0, le=3600, description="When a look after an unknown outcome is conclusive")
    notes_back_days: int = Field(7, ge=1, le=90, description="How far back a note is looked for by its key")
    deletions_every_s: float = Field(600.0, ge=0, le=86_400, description="How often deleted records are asked for")
    cache_s: float = Field(600.0, ge=0, le=86_400, description="How long fields, pipelines, users are remembered")

    @field_validator("accounts_url", "base_url")
    @classmethod
    def _safe(cls, url: str | None) -> str | None:
        return None if url is None else safe(url)

    @property
    def accounts(self) -> str:
        """Return where tokens are had."""
        host = "zohocloud.ca" if self.data_center == "ca" else f"zoho.{self.data_center}"
        return self.accounts_url or f"https://accounts.{host}"


def safe(url: str) -> str:
    """Return an address to which a token may be sent; `ValueError` for any other."""
    parts = urlsplit(url)
    if parts.username or parts.query or parts.fragment or parts.path.strip("/") or not parts.hostname:
        raise ValueError("it is a scheme and a host, such as https://accounts.zoho.eu")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError("a token is sent there, so it must be https; http is for 127.0.0.1 alone")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
