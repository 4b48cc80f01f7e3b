"""A file as it is written at last: the same pixels, what is true of their origin, and a signature over both."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pipeline.provenance import containers, xmp
from pipeline.provenance.containers.faults import CannotCarry
from pipeline.provenance.credentials import (
    PARENT,
    Claim,
    CredentialsReader,
    ParentUnreadable,
    Signer,
    SigningFailed,
    State,
)
from pipeline.provenance.identity import read_identity, read_trust_list
from pipeline.provenance.origin import Origin, Round
from pipeline.provenance.reading import Verdict, verify
from pipeline.provenance.source_types import SourceType, check_accepted, choose, term_of
from pipeline.settings import ProvenanceSettings

MOST_PROMPT_CHARACTERS: Final = 8_000
"""More of a prompt is not written: a JPEG has room for 65,000 bytes of XMP, and a character takes up to five."""

_MOST_NAME_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Marked:
    """A file that is ready to be written, and what was found when it was read back.

    Attributes:
        data: Its bytes.
        verdict: What they say of themselves.
        source_type: What the picture is, and by which rule; None if nothing was to be written.
        problems: What is not as it should be, such as credentials that were lost.
        notes: What else is worth knowing, such as a prompt that was cut.
    """

    data: bytes
    verdict: Verdict
    source_type: SourceType | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> dict[str, str]:
        """What an export's table says of it: what was read back from the file, not what was meant to be in it."""
        iptc = [name.partition(":")[2] for name in self.verdict.fields if name != xmp.SOURCE]
        return {
            "digital_source_type": self.verdict.source_type or "",
            "digital_source_type_rule": "" if self.source_type is None else self.source_type.rule,
            "c2pa_state": self.verdict.credentials.state.value,
            "iptc_written": " ".join(iptc),
            "provenance_check": "; ".join((*(self.problems or ("ok",)), *self.notes)),
        }


COLUMNS: Final = ("digital_source_type", "digital_source_type_rule", "c2pa_state", "iptc_written", "provenance_check")
"""Those of `Marked.columns`."""


@dataclass(slots=True)
class _Job:
    """One file on its way.

    Attributes:
        before: What the provider made.
        is_derived: Whether something else was made of it.
        accepted: The digital source types that its destination takes of generative pictures; any if empty.
    """

    data: bytes
    before: bytes
    origin: Origin
    title: str
    destination: str
    accepted: tuple[str, ...]
    is_derived: bool
    was_signed: bool
    wanted: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Marker:
    """Marks and signs files as a desk's settings say; made once for an export, and used by any number of threads.

    Args:
        settings: What is written, and who signs.
        root: The desk's folder.

    Attributes:
        identity: Who signs; None for nobody.

    Raises:
        UsageError: The settings cannot be carried out; says why.
    """

    def __init__(self, settings: ProvenanceSettings, root: Path) -> None:
        for destination, term in settings.source_types.items():
            check_accepted(destination, [term])
        self._settings = settings
        self.identity = read_identity(settings, root)
        trusted = read_trust_list(settings, root)
        self._reader = CredentialsReader(trusted)
        self._signer = None if self.identity is None else Signer(self.identity, trusted)

    def verify(self, data: bytes) -> Verdict:
        """What any bytes say of their origin, by this desk's trust list."""
        return verify(data, self._reader)

    def mark(
        self,
        data: bytes,
        origin: Origin,
        *,
        title: str,
        master: bytes | None = None,
        destination: str = "",
        accepted_source_types: Sequence[str] = (),
    ) -> Marked:
        """The bytes to write, never with another pixel, and what they say when they are read back.

        Args:
            data: The master's bytes, or those of a picture made from it.
            origin: How the picture came to be.
            title: The file's name.
            master: The provider's bytes, if something else made ``data`` from them.
            destination: Where it goes, by its name in the settings.
            accepted_source_types: What that destination's rules take of generative pictures, as terms, the one that it
                likes best first; the desk's settings go before it. With any, the file has to say one.

        Raises:
            UsageError: Such a type would hide how the picture was made.
        """
        before = data if master is None else master
        own = self._settings.source_types.get(destination)
        accepted = tuple(accepted_source_types) if own is None else (own,)
        is_derived, was_signed = before != data, _is_signed(before)
        job = _Job(data, before, origin, title, destination, accepted, is_derived, was_signed)
        source_type = None
        if self._settings.marks and not self._leaves_alone(job):
            try:
                source_type = self._write(job)
            except CannotCarry as exc:
                job.problems.append(f"nothing was written into it: {exc}")
            else:
                self._seal(job, source_type)
        verdict = self.verify(job.data)
        job.problems += list(_not_as_meant(job, verdict))
        return Marked(job.data, verdict, source_type, tuple(job.problems), tuple(job.notes))

    def _leaves_alone(self, job: _Job) -> bool:
        """Whether a change would only break a provider's signature that we can put nothing in place of."""
        is_kept = self._settings.without_certificate == "keep-credentials" and not job.accepted
        if self._signer is not None or job.is_derived or not job.was_signed or not is_kept:
            return False
        if self.verify(job.before).credentials.state == State.INVALID:
            return False
        job.notes.append("left as the provider signed it: there is no certificate to sign a change with")
        return True

    def _write(self, job: _Job) -> SourceType:
        """Put in what is true of it.

        Raises:
            CannotCarry: The file has no place for that.
        """
        packet = _packet(job)
        said = (term_of(packet[xmp.DIGITAL_SOURCE_TYPE]), *job.origin.source_said)
        source_type = choose(
            is_generative=bool(job.origin.generative),
            operations=job.origin.rounds[-1].operations,
            said=[term for term in said if term],
            destination=job.destination,
            accepted=job.accepted,
        )
        job.wanted = _wanted(job, source_type, self._settings)
        packet.set(job.wanted)
        try:
            job.data = containers.with_xmp(job.data, bytes(packet))
        except CannotCarry:
            if job.wanted.pop(xmp.AI_PROMPT, None) is None:
                raise
            packet.remove(xmp.AI_PROMPT)
            job.data = containers.with_xmp(job.data, bytes(packet))
            job.notes.append("no room was left for the prompt")
        return source_type

    def _seal(self, job: _Job, source_type: SourceType) -> None:
        """Sign what it is now; what nobody signs keeps no credentials that no longer fit."""
        if self._signer is not None:
            try:
                job.data = _signed(self._signer, job, source_type, _name(self._settings.signer))
            except SigningFailed as exc:
                job.problems.append(str(exc))
            else:
                return
        if containers.has_credentials(job.data):
            job.data = containers.without_credentials(job.data)


def _signed(signer: Signer, job: _Job, source_type: SourceType, operator: str) -> bytes:
    """With the provider's file as its parent; where its credentials are beyond reading, with the file without them.

    Raises:
        SigningFailed: Says why.
    """
    media_type, parent_type = containers.media_type_of(job.data), containers.media_type_of(job.before)
    if media_type is None or parent_type is None:
        raise SigningFailed("it could not be signed: the provider's file is none that carries credentials")
    title = _name(job.title)
    claim = Claim(
        title=title,
        actions=list(_actions(job, source_type)),
        parent=job.before,
        parent_type=parent_type,
        parent_title=f"{title}, as it was made",
        signer=operator,
    )
    bare = containers.without_credentials(job.data) if job.was_signed else job.data
    try:
        return signer.sign(bare, media_type, claim)
    except ParentUnreadable:
        return signer.sign(bare, media_type, replace(claim, parent=containers.without_credentials(job.before)))


def _is_signed(data: bytes) -> bool:
    try:
        return containers.has_credentials(data)
    except CannotCarry:
        return False


def _packet(job: _Job) -> xmp.Packet:
    """What the file says so far, or what the one said that it was made from."""
    own = containers.xmp_in(job.data)
    inherited = containers.xmp_in(job.before) if own is None and job.is_derived else None
    try:
        packet = xmp.Packet(own or inherited)
    except ValueError as exc:
        job.notes.append(f"its own XMP was replaced: {exc}")
        return xmp.Packet()
    if own is None:
        for name in xmp.OF_ANOTHER_FILE:
            packet.remove(name)
    return packet


def _wanted(job: _Job, source_type: SourceType, settings: ProvenanceSettings) -> dict[str, str]:
    """What the file is to say, by property; nothing that would be empty."""
    made = job.origin.generative
    prompt = "\n\n".join(_each_once(each.prompt for each in made)) if settings.prompt else ""
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        prompt = f"{prompt[:MOST_PROMPT_CHARACTERS]} […]"
        job.notes.append(f"the prompt was cut after {MOST_PROMPT_CHARACTERS} characters")
    wanted = {
        xmp.DIGITAL_SOURCE_TYPE: source_type.uri,
        xmp.AI_SYSTEM: ", ".join(_each_once(each.system for each in made)),
        xmp.AI_SYSTEM_VERSION: ", ".join(_each_once(each.version for each in made)),
        xmp.AI_PROMPT: prompt,
        xmp.AI_PROMPT_WRITER: ", ".join(_each_once(each.asked_by for each in made)) if settings.prompt_writer else "",
        xmp.SOURCE: job.origin.source_url,
    }
    return {name: xmp.plain(text).strip() for name, text in wanted.items() if xmp.plain(text).strip()}


def _each_once(texts: Iterator[str]) -> tuple[str, ...]:
    """In their order, without those that are empty or came before."""
    return tuple(dict.fromkeys(filter(None, texts)))


def _actions(job: _Job, source_type: SourceType) -> Iterator[Mapping[str, Any]]:
    """What was done, by C2PA's names (technical specification 2.1, section 18.12)."""
    moment = _moment(datetime.now(UTC))
    yield {"action": "c2pa.opened", "when": moment, "parameters": {"ingredientIds": [PARENT]}}
    for each in job.origin.rounds:
        yield _edited(each, source_type)
    if job.is_derived:
        if _size_wh(job.data) != _size_wh(job.before):
            yield {"action": "c2pa.resized", "when": moment}
        is_converted = containers.media_type_of(job.data) != containers.media_type_of(job.before)
        yield {"action": "c2pa.converted" if is_converted else "c2pa.transcoded", "when": moment}
    told: dict[str, Any] = {"action": "c2pa.edited.metadata", "when": moment}
    if job.origin.disclosure is not None:
        told["parameters"] = {"description": f"disclosure: {job.origin.disclosure.kind}"}
    yield told


def _edited(made: Round, source_type: SourceType) -> Mapping[str, Any]:
    own = source_type if made.is_generative else choose(is_generative=False, operations=made.operations)
    software = {"name": _name(made.system)}
    known = made.version or (version("picturedesk") if not made.is_generative else "")
    action: dict[str, Any] = {
        "action": "c2pa.edited",
        "when": _moment(made.made_at),
        "digitalSourceType": own.uri,
        "softwareAgent": {**software, "version": known} if known else software,
    }
    if made.operations and not made.is_generative:
        action["parameters"] = {"description": _name(", ".join(made.operations))}
    return action


def _name(text: str) -> str:
    """Somebody's text, fit for credentials."""
    return xmp.plain(text)[:_MOST_NAME_CHARACTERS]


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _size_wh(data: bytes) -> tuple[int, int] | None:
    """From the header alone; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except (OSError, SyntaxError, ValueError):
        return None


def _not_as_meant(job: _Job, verdict: Verdict) -> Iterator[str]:
    """What the written file does not say, or says wrongly."""
    yield from (each for each in verdict.problems if not any(each in told for told in job.problems))
    for name, text in job.wanted.items():
        if verdict.fields.get(name) != text:
            yield f"{name.partition(':')[2]} was not read back as it was written"
    found = verdict.credentials
    if found.state == State.INVALID:
        yield f"its credentials are not valid: {', '.join(found.problems)}"
    if not job.was_signed:
        return
    if found.state == State.NONE:
        yield "credentials lost: the provider had signed it"
    elif found.parents and found.parents[0].state == State.INVALID:
        yield "the provider's credentials were not valid before"
    elif job.wanted and not any(parent.state != State.NONE for parent in found.parents):
        yield "credentials lost: the provider's could not be taken over"
