"""What a person chooses for a site, besides its records."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteOptions:
    """url: the address that the site will have, for the pictures of links to it; "" if unknown.

    parquet: also write the tables as Parquet files.
    """

    url: str = ""
    parquet: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.url.rstrip("/"))


NO_OPTIONS = SiteOptions()
