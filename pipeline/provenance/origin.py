"""The facts that a file's marks are made of."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from pipeline.provenance.disclosure import Disclosure
from pipeline.provenance.source_types import is_generative
from pipeline.redacting import redacted
from pipeline.sources import is_url
from pipeline.values import PictureFacts

_SNAPSHOT: Final = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{6}|\d{8})$")
"""A day at the end of a model's name, as OpenAI (gpt-image-1-2025-04-23) and ByteDance (-250828) have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One edit among those that led to a picture.

    Attributes:
        provider: Who made it.
        ai_model: With which model, as the provider was asked for it; "" for its default, or none.
        operations: What was done, by the names of the local engine.
        prompt: What was asked for.
        asked_by: By whom.
        made_at: When the picture was there, in UTC.
    """

    provider: str
    ai_model: str = ""
    operations: tuple[str, ...] = ()
    prompt: str = ""
    asked_by: str = ""
    made_at: datetime

    @property
    def is_generative(self) -> bool:
        """Whether a trained model made it."""
        return is_generative([self.provider])

    @property
    def system(self) -> str:
        """Who or what made it, for people."""
        return " ".join(filter(None, (self.provider, self.ai_model)))

    @property
    def version(self) -> str:
        """The day of the model's snapshot, where its name says so; "" if that is not known."""
        found = _SNAPSHOT.search(self.ai_model)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a picture came to be.

    Attributes:
        rounds: The edits that led to it, first to last; one of them at least.
        source_uri: Where its source was from: a URL, or a path.
        source_said: The digital source types, as terms, that the source's own file names.
        composited_from: What the provider returned, if the accepted output is that composited with the source: hand its
            bytes to `marking.Marker.mark` as the master, since the provider signed those.
        disclosure: What a person decided on telling others; None if nobody has.
    """

    rounds: tuple[Round, ...]
    source_uri: str = ""
    source_said: tuple[str, ...] = ()
    composited_from: PictureFacts | None = None
    disclosure: Disclosure | None = None

    @property
    def generative(self) -> tuple[Round, ...]:
        """The rounds that a model made."""
        return tuple(each for each in self.rounds if each.is_generative)

    @property
    def source_url(self) -> str:
        """The source's address, if it has one that says nothing secret; "" otherwise."""
        if not is_url(self.source_uri):
            return ""
        parts = urlsplit(self.source_uri)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
        if redacted(bare.geturl()) != bare.geturl():
            bare = bare._replace(query="")
        return bare.geturl()
