"""C2PA credentials: signed by the desk's identity over what a file is at last, and read back from any file.

With the reference library of the Content Authenticity Initiative (https://github.com/contentauth/c2pa-python, version
0.38.1; MIT or Apache-2.0). It is an extra of this package, since it has 16 MB to download and 53 MB when installed
(2026-11-21). It asks nobody on the network, unless the identity names a time-stamping authority.

Thumbnails are off: they took 300 ms for each file, and without them all takes some milliseconds (our measurement,
2026-11-20).
"""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import PicturedeskError, UsageError
from pipeline.provenance.identity import Identity

if TYPE_CHECKING:
    import c2pa

INSTALL: Final = 'pip install "picturedesk[provenance]"'
PARENT: Final = "parent"
"""Names the parent within a manifest that is being made."""

LIBRARY_SETTINGS: Final = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": False, "remote_manifest_fetch": False, "ocsp_fetch": False},
}
"""What was signed is read back by ourselves."""

_UNTRUSTED: Final = "signingCredential.untrusted"


class SigningFailed(PicturedeskError):
    """A file could not be signed; it is as it was."""


class ParentUnreadable(SigningFailed):
    """The file that it was made from has credentials that cannot be read."""


class State(StrEnum):
    """What a file's credentials are worth."""

    VALID = "valid"
    """Signed by somebody on the trust list, and not changed since."""
    UNTRUSTED = "untrusted"
    """Signed by somebody who is on no trust list, and not changed since."""
    INVALID = "invalid"
    """Changed since it was signed, or signed wrongly."""
    NONE = "none"
    UNCHECKED = "unchecked"
    """There are credentials, and the library that checks them is not installed."""


@dataclass(frozen=True, slots=True)
class Parent:
    """What a file was made from, as its credentials say.

    Attributes:
        title: Its name there; untrusted text.
        media_type: Its format.
        state: What its own credentials were worth when they were taken over.
        signed_by: Who signed those; untrusted text, "" for nobody.
    """

    title: str
    media_type: str
    state: State
    signed_by: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a file's C2PA manifest says.

    Attributes:
        state: What it is worth.
        signed_by: Who signed it; untrusted text.
        actions: What was done, in order, such as c2pa.opened.
        source_types: The digital source types that those actions name, as URIs.
        software: Who did it, such as the name of a model; untrusted text.
        parents: What it was made from.
        problems: C2PA's codes of what is wrong.
    """

    state: State
    signed_by: str = ""
    actions: tuple[str, ...] = ()
    source_types: tuple[str, ...] = ()
    software: tuple[str, ...] = ()
    parents: tuple[Parent, ...] = ()
    problems: tuple[str, ...] = ()


NO_CREDENTIALS: Final = Credentials(State.NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What is to be signed.

    Attributes:
        title: The file's name.
        actions: As C2PA has them, first to last; the first one opens the parent.
        parent: The bytes of what it was made from, signed or not.
        parent_type: Their media type.
        parent_title: Their name.
        signer: Whose file it is; "" if nobody says.
    """

    title: str
    actions: Sequence[Mapping[str, Any]]
    parent: bytes
    parent_type: str
    parent_title: str
    signer: str = ""


def is_installed() -> bool:
    """Whether files can be signed and checked here."""
    return find_spec("c2pa") is not None


class Signer:
    """Signs files for one identity; may be used by several threads.

    Args:
        identity: Whose credentials they get.
        trust_list: As for `CredentialsReader`: what a parent's credentials are worth is said in those of the file.

    Raises:
        UsageError: The library is missing, or it does not take the identity.
    """

    def __init__(self, identity: Identity, trust_list: str | None = None) -> None:
        c2pa = _library()
        self._context = _context(trust_list)
        tsa_url = None if identity.tsa_url is None else identity.tsa_url.encode()
        info = c2pa.C2paSignerInfo(identity.algorithm, identity.certificates_pem, identity.key_pem, tsa_url)
        try:
            self._signer = c2pa.Signer.from_info(info)
        except c2pa.C2paError as exc:
            raise UsageError(f"provenance: the certificate does not sign: {exc}") from exc

    def sign(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        """The same file with credentials in place of its own; its texts are such as XML can hold.

        Raises:
            ParentUnreadable: Without the parent's credentials it could be signed.
            SigningFailed: Says why.
        """
        c2pa = _library()
        made_by: dict[str, Any] = {"name": "Picturedesk", "version": version("picturedesk")}
        if claim.signer:
            made_by["operator"] = claim.signer
        manifest = {
            "claim_generator_info": [made_by],
            "title": claim.title,
            "format": media_type,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": list(claim.actions)}}],
        }
        ingredient = {"title": claim.parent_title, "relationship": "parentOf", "label": PARENT}
        signed = io.BytesIO()
        try:
            with c2pa.Builder(manifest, context=self._context) as builder:
                try:
                    builder.add_ingredient(ingredient, claim.parent_type, io.BytesIO(claim.parent))
                except c2pa.C2paError as exc:
                    raise ParentUnreadable(f"it could not be signed: {exc}") from exc
                builder.sign(self._signer, media_type, io.BytesIO(data), signed)
        except c2pa.C2paError as exc:
            raise SigningFailed(f"it could not be signed: {exc}") from exc
        return signed.getvalue()


class CredentialsReader:
    """Reads and checks files' credentials; may be used by several threads.

    Args:
        trust_list: Certificates as PEM; what they have issued is trusted. Nobody is trusted without.

    Raises:
        UsageError: It is no such list.
    """

    def __init__(self, trust_list: str | None = None) -> None:
        self._context = _context(trust_list) if is_installed() else None

    def read(self, data: bytes, media_type: str) -> Credentials:
        """What a file's credentials say; it has some, as `containers.has_credentials` says."""
        if self._context is None:
            return Credentials(State.UNCHECKED)
        c2pa = _library()
        try:
            with c2pa.Reader(media_type, io.BytesIO(data), context=self._context) as reader:
                return _credentials(json.loads(reader.json()))
        except c2pa.C2paError as exc:
            return Credentials(State.INVALID, problems=(str(exc)[:200],))


def _library() -> Any:  # noqa: ANN401 - it has no types
    try:
        import c2pa
    except ImportError as exc:
        raise UsageError(f"C2PA credentials need a library that is not installed; run: {INSTALL}") from exc
    return c2pa


def _context(trust_list: str | None) -> "c2pa.Context":
    library = _library()
    trust = {} if trust_list is None else {"trust": {"trust_anchors": trust_list}}
    try:
        return library.Context.from_dict({**LIBRARY_SETTINGS, **trust})
    except library.C2paError as exc:
        raise UsageError(f"provenance.trust_list: it holds no certificates in PEM form: {exc}") from exc


def _credentials(found: Mapping[str, Any]) -> Credentials:
    manifests: Mapping[str, Any] = found.get("manifests", {})
    active: Mapping[str, Any] = manifests.get(found.get("active_manifest", ""), {})
    actions = list(_actions(active))
    failures = [
        each["code"] for each in found.get("validation_results", {}).get("activeManifest", {}).get("failure", ())
    ]
    for delta in found.get("validation_results", {}).get("ingredientDeltas", ()):
        failures += [each["code"] for each in delta.get("validationDeltas", {}).get("failure", ())]
    agents = [action.get("softwareAgent") for action in actions]
    return Credentials(
        state=_state(found.get("validation_state"), failures),
        signed_by=_signed_by(active),
        actions=tuple(action.get("action", "") for action in actions),
        source_types=tuple(action["digitalSourceType"] for action in actions if "digitalSourceType" in action),
        software=tuple(each["name"] if isinstance(each, Mapping) else str(each) for each in agents if each),
        parents=tuple(
            _parent(each, manifests) for each in active.get("ingredients", ()) if each.get("relationship") == "parentOf"
        ),
        problems=tuple(code for code in failures if code != _UNTRUSTED),
    )


def _state(told: str | None, failures: Sequence[str]) -> State:
    if told == "Trusted":
        return State.VALID
    return State.UNTRUSTED if told == "Valid" and set(failures) <= {_UNTRUSTED} else State.INVALID


def _parent(ingredient: Mapping[str, Any], manifests: Mapping[str, Any]) -> Parent:
    label = ingredient.get("active_manifest")
    results = ingredient.get("validation_results", {}).get("activeManifest", {})
    failures = [each["code"] for each in results.get("failure", ())]
    if label is None:
        state = State.NONE
    elif not failures:
        state = State.VALID
    else:
        state = State.UNTRUSTED if set(failures) == {_UNTRUSTED} else State.INVALID
    signed_by = _signed_by(manifests.get(label or "", {}))
    return Parent(ingredient.get("title", ""), ingredient.get("format", ""), state, signed_by)


def _signed_by(manifest: Mapping[str, Any]) -> str:
    info = manifest.get("signature_info", {})
    return str(info.get("issuer") or info.get("common_name") or "")


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in manifest.get("assertions", ()):
        if assertion.get("label", "").startswith("c2pa.actions"):
            yield from assertion.get("data", {}).get("actions", ())
