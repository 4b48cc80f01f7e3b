"""Archives of pictures: Adobe Experience Manager, and any other that reads a table."""

import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pipeline.export.profiles.lists import TableProfile
from pipeline.export.profiles.placing import Product
from pipeline.export.rows import Known, Made, iso, made_of

_MANY = "|"


class Options(BaseModel):
    """Where the archive has the pictures.

    Attributes:
        folder: Under which the export's pictures are put there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str = Field(default="/content/dam/picturedesk", pattern=r"^/[^|]*$")


class Aem(TableProfile):
    """Metadata as AEM imports it: the asset's path, then properties with their type.

    Names are case-sensitive, several values are parted by ``|``
    (experienceleague.adobe.com, "Metadata import and export in AEM Assets", read 2026-11-22).
    """

    name = "aem"
    file_name = "aem.csv"
    columns = (
        *("assetPath", "dc:title {{String}}", "dc:description {{String}}", "dc:subject {{String : MULTI}}"),
        *("dc:source {{String}}", "dam:approvedBy {{String}}", "dam:approvedAt {{Date}}"),
    )
    ids = frozenset({"assetPath"})

    def __init__(self, folder: Path, options: Options) -> None:
        super().__init__(folder)
        self._root = options.folder.rstrip("/")

    def lines(self, product: Product) -> list[dict[str, object]]:
        """A row for each picture."""
        return [
            dict(
                zip(
                    self.columns,
                    (
                        f"{self._root}/{each.file.name}",
                        each.own.get("title") or each.picture.asset,
                        each.own.get("alt_text", ""),
                        _MANY.join(_keywords(each.own.get("keywords", ""))),
                        each.picture.original_sha256 or "",
                        each.picture.decided_by or "policy",
                        iso(each.picture.decided_at),
                    ),
                    strict=True,
                )
            )
            for each in product.pictures
        ]


class GenericDam(TableProfile):
    """What an archive finds a picture again by: id, file and version, none of which may be edited there."""

    name = "generic-dam"
    file_name = "dam.csv"
    columns = (
        *("id", "filename", "version", "sha256", "title", "description", "keywords", "sku", "product"),
        *(
            "role",
            "url",
            "width",
            "height",
            "bytes",
            "mime",
            "recipe",
            "provider",
            "model",
            "approved_by",
            "approved_at",
        ),
    )
    ids = frozenset({"filename", "url"})

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._made = Known(made_of)

    def lines(self, product: Product) -> list[dict[str, object]]:
        """A row for each picture."""
        return [
            {
                "id": each.picture.edit_id,
                "filename": each.file.name.rpartition("/")[2],
                "version": each.picture.round,
                "sha256": each.file.sha256,
                "title": each.own.get("title") or each.picture.asset,
                "description": each.own.get("alt_text", ""),
                "keywords": _MANY.join(_keywords(each.own.get("keywords", ""))),
                "sku": each.picture.sku,
                "product": product.name,
                "role": each.role,
                "url": each.url,
                "width": each.picture.width,
                "height": each.picture.height,
                "bytes": each.file.byte_count,
                "mime": each.picture.media_type,
                **_by(self._made[each.picture.made]),
                "approved_by": each.picture.decided_by or "policy",
                "approved_at": iso(each.picture.decided_at),
            }
            for each in product.pictures
        ]


def _by(made: Made) -> dict[str, object]:
    return {"recipe": made.recipe, "provider": made.provider, "model": made.ai_model}


def _keywords(text: str) -> list[str]:
    return [word for word in (part.strip() for part in re.split(r"[,;|]", text)) if word]
