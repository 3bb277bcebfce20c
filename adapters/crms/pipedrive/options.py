"""Settings of the `[crm]` section for type `pipedrive`, each with the bound that keeps a typing error from hurting."""

from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from adapters.http.options import Address, Reach


class PipedriveOptions(Reach):
    """How to reach one Pipedrive company, and how hard it may be asked.

    The defaults of `burst` and `search_burst` leave others of the token's user room on the smallest plan, which allows
    20 calls in 2 s, and 10 searches on every plan. Source: Pipedrive's rate limiting guide, read 2026-11.
    """

    token_env: str | None = Field("PIPEDRIVE_TOKEN", description="Variable that holds the personal API token")
    token_file: str | None = Field(None, description="File that holds it")
    base_url: Address | None = Field(None, description="Where the company is, https://yours.pipedrive.com")
    reset_timezone: str = Field("UTC", description="Time zone whose midnight renews the day's tokens")
    reserve: int = Field(200, ge=0, le=1_000_000, description="Tokens of a day that are left to others")
    burst: int = Field(16, ge=2, le=1000, description="Most calls in 2 s")
    search_burst: int = Field(8, ge=1, le=1000, description="Most searches in 2 s")
    search_lag_s: float = Field(60.0, ge=0, le=3600, description="How long search is behind writes")
    notes_back_days: int = Field(7, ge=1, le=90, description="How far back a note or task is looked for by its key")
    deletions_every_s: float = Field(3600.0, ge=0, le=86_400, description="How often known records are missed")

    @field_validator("reset_timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("it is the name of a time zone, such as Europe/Berlin") from None
        return name
