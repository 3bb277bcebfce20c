"""Settings of the `[crm]` section for type `hubspot`, each with the bound that keeps a typing error from hurting."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from adapters.http.options import Address, Reach

API = "https://api.hubapi.com"


class HubSpotOptions(Reach):
    """How to reach one HubSpot account, and how hard it may be asked.

    The defaults of `burst` and `search_per_s` leave others of the account room: HubSpot allows 100 calls in 10 s (190
    from Professional on) and 5 searches a second. Source: HubSpot usage guidelines, read 2026-11.
    """

    token_env: str | None = Field("HUBSPOT_TOKEN", description="Variable that holds the service key or app token")
    token_file: str | None = Field(None, description="File that holds it")
    base_url: Address = Field(API, description="Where the API is; http only on this machine")
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
    search_lag_s: float = Field(30.0, ge=0, le=3600, description="How long search is behind writes")
    deletions_every_s: float = Field(60.0, ge=0, le=86_400, description="How often the recycle bin is looked into")

    @field_validator("hook_url")
    @classmethod
    def _as_signed(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme != "https" or not parts.hostname or parts.username or parts.query or parts.fragment):
            raise ValueError("it is the https address as entered in HubSpot, such as https://crm.example/hooks/ledger")
        return url
