"""What a file says of its own origin, whoever wrote it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pipeline.provenance import containers, xmp
from pipeline.provenance.containers.faults import CannotCarry
from pipeline.provenance.credentials import NO_CREDENTIALS, Credentials, CredentialsReader, State
from pipeline.provenance.source_types import GENERATIVE, term_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file says, and what that is worth. All texts but our own problems were written by others.

    Attributes:
        media_type: From the bytes; None if the file is of a kind that carries no marks.
        fields: By the names of `xmp.PROPERTIES`, what its XMP says.
        credentials: Its C2PA manifest.
        problems: What cannot be read, in words.
    """

    media_type: str | None
    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    credentials: Credentials = NO_CREDENTIALS
    problems: tuple[str, ...] = ()

    @property
    def source_type(self) -> str | None:
        """IPTC's digital source type as XMP has it: the full URI."""
        return self.fields.get(xmp.DIGITAL_SOURCE_TYPE)

    @property
    def says_ai(self) -> bool:
        """Whether it says that a model had a part in it."""
        told = {term_of(uri) for uri in (self.source_type, *self.credentials.source_types)}
        return bool(told & GENERATIVE) or xmp.AI_SYSTEM in self.fields

    @property
    def is_wrong(self) -> bool:
        """Whether something is not as it was signed, or cannot be read."""
        return self.credentials.state == State.INVALID or bool(self.problems)

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        found = self.credentials
        return {
            "media_type": self.media_type,
            "digital_source_type": self.source_type,
            "says_ai": self.says_ai,
            "iptc": dict(self.fields),
            "c2pa": {
                "state": found.state.value,
                "signed_by": found.signed_by,
                "actions": list(found.actions),
                "digital_source_types": list(found.source_types),
                "software": list(found.software),
                "parents": [
                    {
                        "title": parent.title,
                        "media_type": parent.media_type,
                        "state": parent.state.value,
                        "signed_by": parent.signed_by,
                    }
                    for parent in found.parents
                ],
                "problems": list(found.problems),
            },
            "problems": list(self.problems),
        }


def verify(data: bytes, reader: CredentialsReader | None = None) -> Verdict:
    """What these bytes say of their origin.

    Args:
        data: Any file.
        reader: Knows whom to trust; nobody by default.
    """
    media_type = containers.media_type_of(data)
    if media_type is None:
        return Verdict(None, problems=("only JPEG, PNG, WebP and TIFF files carry marks",))
    try:
        packet = containers.xmp_in(data)
        is_signed = containers.has_credentials(data)
    except CannotCarry as exc:
        return Verdict(media_type, problems=(str(exc),))
    problems: tuple[str, ...] = ()
    fields: dict[str, str] = {}
    try:
        fields = read_fields(packet)
    except ValueError as exc:
        problems = (f"its XMP cannot be read: {exc}",)
    credentials = NO_CREDENTIALS
    if is_signed:
        credentials = (reader or CredentialsReader()).read(data, media_type)
    return Verdict(media_type, MappingProxyType(fields), credentials, problems)


def read_fields(packet: bytes | None) -> dict[str, str]:
    """What a packet says, by the names of `xmp.PROPERTIES`.

    Raises:
        ValueError: It cannot be read.
    """
    if packet is None:
        return {}
    told = xmp.Packet(packet)
    return {name: text for name in xmp.PROPERTIES if (text := told[name])}
