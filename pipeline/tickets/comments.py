"""Comments on tickets: templates with places such as ``{ticket}``; a value that is put in is never read again."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.plurals import number_of

if TYPE_CHECKING:
    from pipeline.store.tickets import DecidedPicture

PLACES: Mapping[str, str] = {
    "ticket": "the ticket's number",
    "pictures": "how many pictures are attached, in words such as 2 pictures",
    "reference": "tells this answer from all others; written below the comment if the template has no place for it",
    "reviewer": "who decided, as they sign in",
    "reason": "why pictures were rejected",
    "note": "what the reviewer wrote for the record",
}

_PLACE = re.compile(r"\{([^{}\s]*)\}")


def check_template(text: str) -> str:
    """The template, if every place in it is known.

    Raises:
        ValueError: One is not.
    """
    unknown = sorted({place for place in _PLACE.findall(text) if place not in PLACES})
    if unknown:
        raise ValueError(f"no place is called {', '.join(unknown)}; expected only {', '.join(PLACES)}")
    return text


def written(template: str, *, ticket: str, reference: str, pictures: Sequence["DecidedPicture"]) -> str:
    """The comment; "" if the template is empty."""
    if not template.strip():
        return ""
    count = sum(picture.picture is not None for picture in pictures)
    values = {
        "ticket": ticket,
        "pictures": number_of(count, "picture"),
        "reference": reference,
        "reviewer": _each(picture.decided_by for picture in pictures),
        "reason": _each(picture.reason for picture in pictures if picture.picture is None),
        "note": _each(picture.note for picture in pictures),
    }
    text = _PLACE.sub(lambda place: values[place[1]], template).strip()
    return text if reference in text else f"{text}\n\n{reference}"


def _each(words: Iterable[str]) -> str:
    """Each once, in their order."""
    return ", ".join(dict.fromkeys(word for word in words if word))
