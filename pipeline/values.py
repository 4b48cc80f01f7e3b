"""The values that travel between the parts of the desk: frozen, and free of any database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Operation = Mapping[str, Any]
"""One typed operation: ``{"op": "catalogue", "size": 1024}``; JSON values only."""


class Kind(StrEnum):
    """What a detector looks for."""

    FACE = "face"
    TEXT = "text"
    LOGO = "logo"
    QUALITY = "quality"
    """A finding about the edit itself, such as a fill that may smear; the label names the rule."""
    DETECTOR = "detector"
    """A detector failed on this picture, so nobody knows what is in it."""


class Level(StrEnum):
    """How sure a detector is: ``flag`` favours recall, ``sure`` precision."""

    FLAG = "flag"
    SURE = "sure"


class Change(StrEnum):
    """What the edit did to something that a detector found."""

    INTRODUCED = "introduced"
    ALTERED = "altered"
    KEPT = "kept"
    LOST = "lost"


Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the upright picture; right and bottom exclusive."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Something a detector found in one picture.

    Attributes:
        kind: What it is.
        xyxy: Where, in pixels of the picture after EXIF rotation.
        score: Detector confidence in [0, 1]; comparable only within one detector.
        level: Whether the score is above the detector's ``sure`` threshold.
        label: What was read or recognised; untrusted text.
        detector: The detector's name.
        version: The detector's version, its weights included.
    """

    kind: Kind
    xyxy: Box
    score: float
    level: Level
    label: str
    detector: str
    version: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A detection on an output, or on its source where the output lost it, with what the edit did to it.

    Attributes:
        detection: What was found. For a lost one the box is in pixels of the source.
        change: What the edit did to it.
        before: What stood there in the source, where that was something else; untrusted text.
        likeness: How alike the place looks on both pictures, in [-1, 1]; None if that cannot be said.
        remark: What else a reviewer should know, such as "cut off"; our own words.
        source_xyxy: The same place in pixels of the source, if it is known.
    """

    detection: Detection
    change: Change
    before: str = ""
    likeness: float | None = None
    remark: str = ""
    source_xyxy: Box | None = None


@dataclass(frozen=True, slots=True)
class AskedArea:
    """The part of its source that an edit was asked to change; all else must stay.

    Attributes:
        boxes: In pixels of the source.
        mask: PNG of the source's size, alpha 0 = edit here, or None.
        ground: Whether the ground behind the item may change.
    """

    boxes: tuple[Box, ...] = ()
    mask: bytes | None = None
    ground: bool = False


@dataclass(frozen=True, slots=True)
class Instruction:
    """What one round of an edit is asked to do.

    Attributes:
        prompt: The sentence that a provider receives.
        operations: The same as typed operations, for a provider that takes them; may be empty.
        recipe: The recipe that it came from, or None.
        parameters: The recipe's parameters as they were given.
    """

    prompt: str
    operations: tuple[Operation, ...] = ()
    recipe: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One good row of a manifest.

    Attributes:
        line: Line in the file, the header being line 1.
        asset_id: The user's own name for the thing to publish.
        variant: Which of several versions of it; "" for the only one.
        source: Absolute path, or https URL.
        steps: One instruction, or several, each made on the output of the one before.
        mask: Absolute path of a mask (alpha 0 = edit here), or None.
        markup: Absolute path of a transparent overlay that points at what is meant, or None.
        references: Absolute paths or https URLs of further pictures; at most 16.
        provider: Who makes the edit, or None for the desk's default.
        ai_model: The provider's model, or None for its default.
        size: ``WIDTHxHEIGHT`` or ``auto``, or None.
        quality: The provider's word for it, or None.
        n: How many outputs to choose from.
        sku: Stock-keeping unit, or "".
        extra: Further columns, kept for the export.
        destinations: Where the picture goes, as the row and its recipes say, by the names of packs; none for those of
            its batch.
    """

    line: int
    asset_id: str
    variant: str
    source: str
    steps: tuple[Instruction, ...]
    mask: str | None = None
    markup: str | None = None
    references: tuple[str, ...] = ()
    provider: str | None = None
    ai_model: str | None = None
    size: str | None = None
    quality: str | None = None
    n: int = 1
    sku: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of a stored picture.

    Attributes:
        sha256: Of the stored bytes; also their name in the blob store.
        media_type: ``image/png`` and so on, from the bytes and not from the file name.
        size_wh: Width and height in pixels.
        byte_count: Length of the stored bytes.
    """

    sha256: str
    media_type: str
    size_wh: tuple[int, int]
    byte_count: int


class Readable(Protocol):
    """Where bytes are: a path, or a stored picture."""

    def read_bytes(self) -> bytes:
        """The bytes."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A stored picture that is read when it is needed: thousands of requests may wait, and hold no pixels.

    Attributes:
        facts: What is known of it.
        place: Where its bytes are.
    """

    facts: PictureFacts
    place: Readable

    def read(self) -> bytes:
        """Its bytes."""
        return self.place.read_bytes()


@dataclass(frozen=True, slots=True)
class EditRequest:
    """One edit as a provider sees it; its pictures are upright, sRGB, 8 bit, PNG, JPEG or WebP.

    Attributes:
        name: How to call it in a message, such as ``edit 17 (SKU-204)``.
        source: What to edit; None while a manifest is read, when only the options are known.
        instruction: What to do.
        client_id: Our own name for this attempt, unlike any other; for the provider's log and ours.
        source_url: An https URL that gives the source's very bytes, if there is one.
        mask: PNG of the source's size, alpha 0 = edit here, or None.
        markup: PNG of the source's size, transparent but for marks that point at what is meant, or None.
        references: Further pictures.
        ai_model: The provider's model, or None for its default.
        size: ``WIDTHxHEIGHT`` or ``auto``, or None.
        quality: The provider's word for it, or None.
        n: How many outputs to make.
        detections: What the detectors found on the source, for a provider that asks for it.
    """

    name: str
    source: PictureFile | None
    instruction: Instruction
    client_id: str = ""
    source_url: str | None = None
    mask: PictureFile | None = None
    markup: PictureFile | None = None
    references: tuple[PictureFile, ...] = ()
    ai_model: str | None = None
    size: str | None = None
    quality: str | None = None
    n: int = 1
    detections: tuple[Detection, ...] = ()

    @property
    def pictures(self) -> tuple[PictureFile, ...]:
        """The source and the references."""
        return (*((self.source,) if self.source else ()), *self.references)


@dataclass(frozen=True, slots=True)
class OutputPicture:
    """One picture that a provider made.

    Attributes:
        data: Encoded bytes, kept as they are: the master.
        media_type: ``image/png``, ``image/jpeg`` or ``image/webp``.
        name: What tells it from its siblings, such as a variant's name; may be "".
        findings: What the provider itself knows to be doubtful, as quality detections.
    """

    data: bytes
    media_type: str
    name: str = ""
    findings: tuple[Detection, ...] = ()


@dataclass(frozen=True, slots=True)
class EditResult:
    """What a provider answered.

    Attributes:
        outputs: At least one picture.
        request_id: The provider's own name for the request, or "".
        usage: What the price depends on: tokens by the names of `pipeline.prices.UNITS`, or pictures.
        cost_microusd: What it cost, in millionths of a US dollar; None if its price is not known.
        notes: Facts for the record, such as the operations that a sentence became.
        ai_model: Which of the provider's models made it, if it has several.
    """

    outputs: tuple[OutputPicture, ...]
    request_id: str = ""
    usage: Mapping[str, int] = field(default_factory=dict)
    cost_microusd: int | None = 0
    notes: Mapping[str, Any] = field(default_factory=dict)
    ai_model: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request will take, before it is sent.

    Attributes:
        low_microusd: The least that it can cost; None if its price is not known.
        high_microusd: The most that it can cost; None if its price is not known.
        images: Pictures that it counts as, for the rate limit.
        tokens: Tokens that it counts as at most, for the rate limit.
        ai_model: The model that makes it, the provider's default included; "" if it has none.
    """

    low_microusd: int | None = 0
    high_microusd: int | None = 0
    images: int = 1
    tokens: int = 0
    ai_model: str = ""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How much a provider takes in a minute; None where no limit is known."""

    requests: float | None = None
    images: float | None = None
    tokens: float | None = None


@dataclass(frozen=True, slots=True)
class Handle:
    """A request that was accepted and is answered later.

    Attributes:
        task_id: The provider's name for it; kept, so that a restart polls instead of paying again.
    """

    task_id: str


@dataclass(frozen=True, slots=True)
class Route:
    """What the policy decided by itself.

    Attributes:
        to_review: Whether a person must decide.
        is_sample: Sent to review only to audit what the policy approves; not shown to the reviewer.
        reasons: Why, in words; never empty.
        policy_hash: Which policy decided.
    """

    to_review: bool
    is_sample: bool
    reasons: tuple[str, ...]
    policy_hash: str
