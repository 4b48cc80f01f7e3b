"""IPTC's digital source type: which one is true of a picture, and which rule says so.

Definitions are of the IPTC NewsCodes scheme of 2024-09-17 (http://cv.iptc.org/newscodes/digitalsourcetype/, read
2026-11-21).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.errors import UsageError

BASE: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"

GENERATIVE: Final = frozenset({"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic"})
"""Those by which a file says that a model had a part in it; a destination may ask for one of these, and no other."""

_DETERMINISTIC_PROVIDERS: Final = frozenset({"local"})
_DRAWN: Final = frozenset({"annotate", "badge", "caption", "meme"})
_COMPOSED: Final = frozenset({"insert", "logo", "poster"})


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
    asked: str | None = None,
) -> SourceType:
    """The type that is true of a picture.

    Args:
        is_generative: Whether any round that led to it was made by a model.
        operations: What the last round did to it, by the names of the local engine.
        said: The types, as terms, that its own file or its source says of itself.
        destination: Where it goes.
        asked: What that destination, or the desk's settings for it, wants said of generative edits.

    Raises:
        UsageError: What is asked for says nothing of a model.
    """
    if asked is not None:
        check_asked({destination: asked})
    own = next((term for term in said if term in GENERATIVE), None)
    if is_generative or own:
        if asked is not None:
            return SourceType(asked, f"{destination or 'the destination'} asks for it of generative pictures")
        if own is not None:
            return SourceType(own, "the file, or its source, says so of itself")
        return SourceType("compositeWithTrainedAlgorithmicMedia", "a picture edited with a generative model")
    if _COMPOSED & set(operations):
        return SourceType("composite", "pictures put together without a model; what they are themselves is not known")
    if _DRAWN & set(operations):
        return SourceType("humanEdits", "words or marks drawn as a person asked, without a model")
    return SourceType("algorithmicallyEnhanced", "corrected by an algorithm, without a model")


def term_of(uri: str | None) -> str | None:
    """The term of a full URI, with http or https; None for anything else."""
    if uri is None:
        return None
    for base in (BASE, BASE.replace("http:", "https:")):
        if uri.startswith(base):
            return uri.removeprefix(base)
    return None


def check_asked(asked: Mapping[str, str]) -> None:
    """Refuse what would hide from a destination that a model had a part in a picture.

    Args:
        asked: Terms by destination.

    Raises:
        UsageError: Says which.
    """
    for destination, term in asked.items():
        if term not in GENERATIVE:
            raise UsageError(
                f"{destination}: found {term!r}; of generative edits it can be {', '.join(sorted(GENERATIVE))}"
            )
