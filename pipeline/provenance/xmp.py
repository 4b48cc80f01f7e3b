"""XMP packets: what a picture says of itself is read, and ours is put beside what others said.

With the standard library's minidom, which keeps prefixes, order and comments as they are; its expat bounds the
expansion of entities (since 2.4.1), and a packet with a document type is not read at all, since XMP has none.

Sources: XMP specification part 1, data model (Adobe, April 2012), and the property names of the IPTC Photo Metadata
Standard 2025.1 (https://iptc.org/std/photometadata/specification/IPTC-PhotoMetadata, and ExifTool's table of the same
names and types, XMP2.pl; read 2026-11-21). All properties of ours are single plain texts.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from pipeline.provenance.containers.limits import MOST_PACKET_BYTES

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

NAMESPACES: Final[Mapping[str, str]] = {
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmpNote": "http://ns.adobe.com/xmp/note/",
}

DIGITAL_SOURCE_TYPE: Final = "Iptc4xmpExt:DigitalSourceType"
AI_SYSTEM: Final = "Iptc4xmpExt:AISystemUsed"
AI_SYSTEM_VERSION: Final = "Iptc4xmpExt:AISystemVersionUsed"
AI_PROMPT: Final = "Iptc4xmpExt:AIPromptInformation"
AI_PROMPT_WRITER: Final = "Iptc4xmpExt:AIPromptWriterName"
SOURCE: Final = "dc:source"
PROPERTIES: Final = (DIGITAL_SOURCE_TYPE, AI_SYSTEM, AI_SYSTEM_VERSION, AI_PROMPT, AI_PROMPT_WRITER, SOURCE)
"""What we write and read."""

OF_ANOTHER_FILE: Final = (
    *("tiff:Orientation", "tiff:ImageWidth", "tiff:ImageLength", "exif:PixelXDimension", "exif:PixelYDimension"),
    *("dcterms:provenance", "xmpNote:HasExtendedXMP"),
)
"""What is no longer true of a picture that was made smaller, turned or encoded anew from the one that said it."""

_NOT_IN_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD: Final = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL: Final = '\n<?xpacket end="w"?>'
_EMPTY: Final = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'
_XMLNS: Final = "http://www.w3.org/2000/xmlns/"


class Packet:
    """What a picture says of itself.

    Args:
        data: The packet's bytes; None for one that says nothing.

    Raises:
        ValueError: It cannot be read.
    """

    def __init__(self, data: bytes | None = None) -> None:
        self._rdf = _parsed(data or _EMPTY.encode())

    def __getitem__(self, name: str) -> str | None:
        """A property by its name, such as ``dc:source``; the first value of several, None without any."""
        space, local = _split(name)
        for description in self._descriptions():
            if description.hasAttributeNS(space, local):
                return str(description.getAttributeNS(space, local))
            for element in _children(description, space, local):
                return _text(element)
        return None

    def remove(self, name: str) -> None:
        """Take a property out, wherever it is said."""
        space, local = _split(name)
        for description in self._descriptions():
            if description.hasAttributeNS(space, local):
                description.removeAttributeNS(space, local)
            for element in list(_children(description, space, local)):
                description.removeChild(element)

    def set(self, values: Mapping[str, str]) -> None:
        """Say these in place of what was said of the same; what XML cannot hold is replaced by U+FFFD."""
        if not values:
            return
        for name in values:
            self.remove(name)
        about = next((each.getAttributeNS(RDF, "about") for each in self._descriptions()), "")
        prefix = self._rdf.prefix
        document = self._rdf.ownerDocument
        assert document is not None
        block = document.createElementNS(RDF, f"{prefix}:Description")
        block.setAttributeNS(RDF, f"{prefix}:about", about)
        for space in sorted({name.partition(":")[0] for name in values}):
            block.setAttributeNS(_XMLNS, f"xmlns:{space}", NAMESPACES[space])
        for name, text in values.items():
            element = document.createElementNS(NAMESPACES[name.partition(":")[0]], name)
            element.appendChild(document.createTextNode(plain(text)))
            block.appendChild(element)
        self._rdf.appendChild(block)

    def __bytes__(self) -> bytes:
        """The packet as it is put into a file."""
        document = self._rdf.ownerDocument
        assert document is not None
        assert document.documentElement is not None
        return f"{_HEAD}{document.documentElement.toxml()}{_TAIL}".encode()

    def _descriptions(self) -> Iterator[minidom.Element]:
        yield from _children(self._rdf, RDF, "Description")


def plain(text: str) -> str:
    """Text as XML can hold it, with line ends as a reader gives them back."""
    return _NOT_IN_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def _parsed(data: bytes) -> minidom.Element:
    if len(data) > MOST_PACKET_BYTES:
        raise ValueError(f"it has more than {MOST_PACKET_BYTES} bytes")
    if b"<!DOCTYPE" in data:
        raise ValueError("it has a document type")
    try:
        document = minidom.parseString(data.strip(b"\0 \t\r\n"))  # noqa: S318 - without a document type
        found = document.getElementsByTagNameNS(RDF, "RDF")
        if len(found) != 1 or not found[0].prefix:
            raise ValueError("it holds no RDF")
        document.toxml()
    except (ExpatError, LookupError, RecursionError) as exc:
        raise ValueError(f"it is no XML: {type(exc).__name__}") from exc
    return found[0]


def _split(name: str) -> tuple[str, str]:
    space, _, local = name.partition(":")
    return NAMESPACES[space], local


def _children(parent: minidom.Element, space: str, local: str) -> Iterator[minidom.Element]:
    for child in parent.childNodes:
        if isinstance(child, minidom.Element) and (child.namespaceURI, child.localName) == (space, local):
            yield child


def _text(element: minidom.Element) -> str:
    """Of a plain value, a link, or the first one of a list."""
    if element.hasAttributeNS(RDF, "resource"):
        return str(element.getAttributeNS(RDF, "resource"))
    items = element.getElementsByTagNameNS(RDF, "li")
    holder = items[0] if items else element
    return "".join(child.data for child in holder.childNodes if isinstance(child, minidom.Text)).strip()
