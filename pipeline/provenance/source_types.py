"""IPTC's digital source type: which one is true of a picture, and which rule says so.

Definitions are of the IPTC NewsCodes scheme of 2024-09-17 (http://cv.iptc.org/newscodes/digitalsourcetype/, read
2026-11-21).
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.errors import UsageError

BASE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"

_SCHEME: Final = BASE.removeprefix("http://").encode()
_NAMED: Final = re.compile(re.escape(_SCHEME) + rb"([A-Za-z]{1,60})")

GENERATIVE: Final = frozenset({"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"})
"""Those by which a file says that a model had a part in it; a destination may ask for one of these, and no other."""

_DETERMINISTIC_PROVIDERS: Final = frozenset({"local"})
_DRAWN: Final = frozenset({"annotate", "badge", "caption", "meme"})
FROM_REFERENCE: Final = "background from a reference"
"""The operation ``background`` with another picture."""

COMPOSITED: Final = "composite with the source"
"""What the desk does to an output of which only a region was to change."""

_COMPOSED: Final = frozenset({"insert", "logo", "poster", FROM_REFERENCE, COMPOSITED})


@dataclass(frozen=True, slots=True)
class SourceType:
    """What a picture is, and why we say so.

    Attributes:
        term: Of the scheme, such as ``humanEdits``.
        rule: Which rule chose it, in words.
    """

    term: str
    rule: str

    @property
    def uri(self) -> str:
        """As files have it."""
        return BASE + self.term


def is_generative(providers: Collection[str]) -> bool:
    """Whether any of these makes pictures with a trained model; one that we do not know counts as such."""
    return not _DETERMINISTIC_PROVIDERS.issuperset(providers)


def choose(
    *,
    is_generative: bool,
    operations: Collection[str] = (),
    said: Collection[str] = (),
    destination: str = "",
    accepted: Sequence[str] = (),
) -> SourceType:
    """The type that is true of a picture.

    Args:
        is_generative: Whether any round that led to it was made by a model.
        operations: What the last round did to it, by the names of the local engine.
        said: The types, as terms, that its own file or its source says of itself.
        destination: Where it goes.
        accepted: What that destination takes of generative pictures, the one that it likes best first; any if empty.

    Raises:
        UsageError: What it takes says nothing of a model.
    """
    check_accepted(destination, accepted)
    own = next((term for term in said if term in GENERATIVE), None)
    if is_generative or own:
        found = SourceType("compositeWithTrainedAlgorithmicMedia", "a picture edited with a generative model")
        if own is not None:
            found = SourceType(own, "the file, or its source, says so of itself")
        if accepted and found.term not in accepted:
            return SourceType(accepted[0], f"{destination or 'the destination'} asks for it of generative pictures")
        return found
    if _COMPOSED & set(operations):
        return SourceType("composite", "pictures put together without a model; what they are themselves is not known")
    if _DRAWN & set(operations):
        return SourceType("humanEdits", "words or marks drawn as a person asked, without a model")
    return SourceType("algorithmicallyEnhanced", "corrected by an algorithm, without a model")


def named_in(data: bytes) -> tuple[str, ...]:
    """The terms that stand in a file, each once, be it in XMP or in C2PA credentials: both hold them as plain text."""
    if _SCHEME not in data:
        return ()
    return tuple(dict.fromkeys(term.decode() for term in _NAMED.findall(data)))


def term_of(uri: str | None) -> str | None:
    """The term of a full URI, with http or https; None for anything else."""
    if uri is None:
        return None
    for base in (BASE, BASE.replace("http:", "https:")):
        if uri.startswith(base):
            return uri.removeprefix(base)
    return None


def check_accepted(destination: str, terms: Iterable[str]) -> None:
    """Refuse what would hide from others that a model had a part in a picture.

    Raises:
        UsageError: Says which.
    """
    for term in terms:
        if term not in GENERATIVE:
            expected = ", ".join(sorted(GENERATIVE))
            raise UsageError(
                f"{destination or 'source type'}: found {term!r}; of generative edits it can be {expected}"
            )
