"""Who signs: a certificate with its key from PEM files, and a trial one for who has none yet."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.settings import ProvenanceSettings

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

TRIAL_DAYS: Final = 365
FROM_ENVIRONMENT: Final = "env:"

_MOST_NAME_CHARACTERS: Final = 64
"""RFC 5280, appendix A.1, ub-organization-name."""

_TRIAL: Final = "(trial, trusted by nobody)"
_CURVES: Final[Mapping[str, str]] = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LEAST_RSA_BITS: Final = 2048
"""C2PA technical specification 2.1, section 13.2.1: PS256 with keys of at least 2048 bits."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose credentials files get.

    Attributes:
        name: As readers show it: the certificate's organisation, or its common name.
        algorithm: C2PA's name of how it signs, such as es256.
        certificates_pem: The certificate, and those that issued it.
        key_pem: Its private key.
        valid_until: When the certificate ends, in UTC.
        tsa_url: A time-stamping authority that is asked at each signature; None for none.
    """

    name: str
    algorithm: str
    certificates_pem: bytes
    key_pem: bytes = field(repr=False)
    valid_until: datetime
    tsa_url: str | None = None


def read_identity(settings: ProvenanceSettings, root: Path) -> Identity | None:
    """The desk's own identity; None if the settings name none.

    Args:
        settings: The desk's.
        root: The desk's folder, from which paths go.

    Raises:
        UsageError: A file is missing, the two do not belong together, or the certificate cannot sign now; says why.
    """
    if settings.certificate is None and settings.key is None:
        return None
    if settings.certificate is None or settings.key is None:
        raise UsageError("provenance: found one of certificate and key; both are needed to sign, or neither")
    certificates_pem = _read(root / Path(settings.certificate).expanduser(), "certificate")
    key_pem = _key_pem(settings.key, root)
    leaf = _leaf(certificates_pem)
    key = _key(key_pem)
    if leaf.public_key() != key.public_key():
        raise UsageError(
            "provenance.key: it is not the key of provenance.certificate; the first one there must be yours"
        )
    _check_may_sign(leaf)
    until = leaf.not_valid_after_utc
    return Identity(_name_of(leaf), _algorithm(key), certificates_pem, key_pem, until, settings.tsa_url)


def read_trust_list(settings: ProvenanceSettings, root: Path) -> str | None:
    """Whom the desk trusts, as PEM; None for nobody.

    Args:
        settings: The desk's.
        root: The desk's folder.

    Raises:
        UsageError: The file cannot be read.
    """
    if settings.trust_list is None:
        return None
    path = root / Path(settings.trust_list).expanduser()
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(
            f"provenance.trust_list: {path} cannot be read; name a file of certificates in PEM form"
        ) from exc


def make_trial(name: str) -> tuple[bytes, bytes]:
    """A certificate that signs for a year and that nobody trusts, with the one that issued it, and its key, as PEM.

    Args:
        name: Whose; as the organisation that readers show.

    Raises:
        UsageError: The name does not fit into a certificate.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, own_name = _distinguished(name, "trial root"), _distinguished(name, "trial signer")
    begin = datetime.now(UTC) - timedelta(minutes=5)
    drawn = x509.CertificateBuilder().not_valid_before(begin).not_valid_after(begin + timedelta(days=TRIAL_DAYS))
    root = (
        drawn.subject_name(root_name)
        .issuer_name(root_name)
        .public_key(root_key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    leaf = (
        drawn.subject_name(own_name)
        .issuer_name(root_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (leaf, root)), key_pem


def write_trial(name: str, folder: Path) -> tuple[Path, Path]:
    """Make a trial identity's files, the key readable by its owner only; gives certificate and key.

    Raises:
        UsageError: There are such files already, or the folder cannot be written.
    """
    certificates_pem, key_pem = make_trial(name)
    paths = folder / "trial-certificate.pem", folder / "trial-key.pem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, pem in zip(paths, (certificates_pem, key_pem), strict=True):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(pem)
    except FileExistsError as exc:
        raise UsageError(f"{exc.filename} is there already; move it away, or name another folder with --to") from exc
    except OSError as exc:
        raise UsageError(f"{folder}: {exc.strerror}; name a folder that can be written with --to") from exc
    return paths


def _distinguished(name: str, common: str) -> "x509.Name":
    from cryptography import x509

    organisation = f"{name.strip()} {_TRIAL}"
    if not name.strip() or len(organisation) > _MOST_NAME_CHARACTERS:
        most = _MOST_NAME_CHARACTERS - len(_TRIAL) - 1
        raise UsageError(f"found a name of {len(name.strip())} characters; a certificate takes 1 to {most}")
    named = ((x509.NameOID.ORGANIZATION_NAME, organisation), (x509.NameOID.COMMON_NAME, common))
    return x509.Name([x509.NameAttribute(kind, text) for kind, text in named])


def _usage(*, signs_certificates: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(where: str, root: Path) -> bytes:
    if not where.startswith(FROM_ENVIRONMENT):
        return _read(root / Path(where).expanduser(), "key")
    name = where.removeprefix(FROM_ENVIRONMENT)
    if not os.environ.get(name):
        raise UsageError(f"provenance.key: the environment variable {name} is not set; put the key's PEM text into it")
    return os.environ[name].encode()


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"provenance.{what}: {path}: {exc.strerror}; name a PEM file") from exc


def _leaf(pem: bytes) -> "x509.Certificate":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError as exc:
        raise UsageError("provenance.certificate: it holds no certificate in PEM form") from exc


def _key(pem: bytes) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: it may have words of the key in it.
        raise UsageError("provenance.key: it holds no private key in PEM form without a password") from None


def _algorithm(key: "PrivateKeyTypes") -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS:
        return "ps256"
    raise UsageError(
        f"provenance.key: C2PA does not sign with it; expected a curve P-256, P-384, P-521 or Ed25519, "
        f"or RSA of at least {_LEAST_RSA_BITS} bits"
    )


def _check_may_sign(leaf: "x509.Certificate") -> None:
    now = datetime.now(UTC)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        begin, end = leaf.not_valid_before_utc.date(), leaf.not_valid_after_utc.date()
        raise UsageError(f"provenance.certificate: it holds from {begin} to {end} only; renew it")
    if leaf.subject == leaf.issuer:
        raise UsageError(
            "provenance.certificate: it is signed by itself, which C2PA does not take; for a trial make one with: "
            "picturedesk provenance make-certificate"
        )


def _organisation(leaf: "x509.Certificate") -> str:
    from cryptography.x509 import NameOID

    found = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""


def _name_of(leaf: "x509.Certificate") -> str:
    from cryptography.x509 import NameOID

    common = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _organisation(leaf) or (str(common[0].value) if common else "")
