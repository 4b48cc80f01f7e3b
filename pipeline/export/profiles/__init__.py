"""Lists as shops, feeds and archives read them, made of the same rows as the table; each in a file of its own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from pipeline.errors import UsageError
from pipeline.export.profiles import amazon, archives
from pipeline.export.profiles.google import GoogleMerchant
from pipeline.export.profiles.lists import LeftOut, Profile
from pipeline.export.profiles.shopify import Shopify, ShopifyLegacy

_T = TypeVar("_T", bound=BaseModel)
_Options = Mapping[str, Any]

_MADE: dict[str, Callable[[Path, _Options], list[Profile]]] = {
    "shopify": lambda folder, _: [Shopify(folder)],
    "shopify-legacy": lambda folder, _: [ShopifyLegacy(folder)],
    "google-merchant": lambda folder, _: [GoogleMerchant(folder)],
    "amazon": lambda folder, options: [
        amazon.AmazonTable(folder),
        *([amazon.AmazonFeed(folder, _checked("amazon", amazon.Options, options))] if options else []),
    ],
    "aem": lambda folder, options: [archives.Aem(folder, _checked("aem", archives.Options, options))],
    "generic-dam": lambda folder, _: [archives.GenericDam(folder)],
}

PARQUET = "parquet"

NAMES = (*_MADE, PARQUET)
"""What can be asked for; Parquet is the canonical table itself."""

NEED_ADDRESS = frozenset({"shopify", "shopify-legacy", "google-merchant", "amazon"})
"""Those that fetch the pictures themselves."""


def check(names: tuple[str, ...], options: Mapping[str, _Options], *, has_address: bool, has_pictures: bool) -> None:
    """Whether these can be written, before anything is.

    Raises:
        UsageError: Nobody knows such a one, it needs addresses, or its options are wrong; says what to do.
    """
    for name in names:
        if name not in NAMES:
            raise UsageError(f"no profile is called {name!r}; there are: {', '.join(NAMES)}")
        if name != PARQUET and not has_pictures:
            raise UsageError(f"{name} names the files of the pictures, which --csv-only does not write; leave one out")
        if name in NEED_ADDRESS and not has_address:
            raise UsageError(
                f"{name} fetches the pictures itself: say where they will be read from, such as "
                "https://cdn.example.com/shop/{file}, with --public-url, public_url of the HTTP API, or that setting"
            )
    if "amazon" in names and options.get("amazon"):
        _checked("amazon", amazon.Options, options["amazon"])
    if "aem" in names:
        _checked("aem", archives.Options, options.get("aem", {}))


def opened(names: tuple[str, ...], folder: Path, options: Mapping[str, _Options]) -> list[Profile]:
    """The lists, begun in a folder; those who ask have checked."""
    return [each for name in names if name in _MADE for each in _MADE[name](folder, options.get(name, {}))]


def _checked(name: str, kind: type[_T], options: _Options) -> _T:
    try:
        return kind.model_validate(options)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"setting [profiles.{name}] {where}: {first['msg']}") from exc


__all__ = ["NAMES", "NEED_ADDRESS", "PARQUET", "LeftOut", "Profile", "check", "opened"]
