"""Settings of the `[crm]` section for type `hubspot`, each with the bound that keeps a typing error from hurting."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

API = "https://api.hubapi.com"


class HubSpotOptions(BaseModel):
    """How to reach one HubSpot account, and how hard it may be asked.

    The defaults of `burst` and `search_per_s` leave others of the account room: HubSpot allows 100 calls in 10 s (190
    from Professional on) and 5 searches a second. Source: HubSpot usage guidelines, read 2026-11.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    token_env: str | None = Field("HUBSPOT_TOKEN", description="Variable that holds the service key or app token")
    token_file: str | None = Field(None, description="File that holds it")
    base_url: str = Field(API, description="Where the API is; http only on this machine")
    version: str = Field(
        "2026-09", pattern=r"^(v3|20\d\d-(03|09))$", description="Version of the API; v3 until 2027-09"
    )
    app_id: str = Field("", pattern=r"^[\w.:-]{0,64}$", description="Our own sourceId in HubSpot's property history")
    group: str = Field("ai_sidecar", pattern=r"^[a-z][a-z0-9_]{0,49}$", description="Group of the AI-owned properties")
    key_property: str = Field(
        "ai_sidecar_key", pattern=r"^[a-z][a-z0-9_]{0,49}$", description="Property that holds what we made a record by"
    )
    automations: bool = Field(False, description="Whether workflows may be read (scope automation)")
    hook_url: str = Field("", description="Where HubSpot posts its webhooks; empty: edits come by polling")
    hook_secret_env: str | None = Field(None, description="Variable that holds the app's client secret, for webhooks")
    hook_secret_file: str | None = Field(None, description="File that holds it")
    burst: int = Field(90, ge=5, le=1000, description="Most calls in 10 s")
    search_per_s: float = Field(4.0, gt=0, le=1000, description="Most searches in a second")
    connect_timeout_s: float = Field(5.0, gt=0, le=60, description="To open a connection")
    read_timeout_s: float = Field(30.0, gt=0, le=300, description="For each part of an answer")
    call_timeout_s: float = Field(60.0, gt=0, le=600, description="For a whole answer")
    max_wait_s: float = Field(20.0, ge=0, le=120, description="Most waiting for limits and retries within one call")
    settle_s: float = Field(90.0, ge=0, le=3600, description="When a look after an unknown outcome is conclusive")
    search_lag_s: float = Field(30.0, ge=0, le=3600, description="How long search is behind writes")
    deletions_every_s: float = Field(60.0, ge=0, le=86_400, description="How often the recycle bin is looked into")
    cache_s: float = Field(600.0, ge=0, le=86_400, description="How long properties, pipelines, owners are remembered")

    @field_validator("base_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username or parts.query or parts.fragment or parts.path.strip("/") or not parts.hostname:
            raise ValueError("it is a scheme and a host, such as https://api.hubapi.com")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
            raise ValueError("the token is sent there, so it must be https; http is for 127.0.0.1 alone")
        return url.rstrip("/")

    @field_validator("hook_url")
    @classmethod
    def _as_signed(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment):
            raise ValueError("it is the https address as entered in HubSpot, such as https://crm.example/hooks/ledger")
        return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
