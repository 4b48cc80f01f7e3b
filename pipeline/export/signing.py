"""Who vouches for an export: the desk signs its manifest by a key of its own (Ed25519, RFC 8032)."""

import base64
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pipeline.errors import StoreError

KEY_FILE = "export.key"
"""In the desk's folder; only its owner reads it."""


def public_key(root: Path) -> str:
    """The desk's public key, in base64; the key is made the first time.

    Raises:
        StoreError: It cannot be read.
    """
    return _told(_key(root).public_key())


def sign(root: Path, data: bytes) -> str:
    """Two lines in base64: the desk's public key, and its signature of these bytes."""
    return f"{public_key(root)}\n{base64.b64encode(_key(root).sign(data)).decode()}\n"


def is_signed(data: bytes, told: str, public: str | None) -> bool:
    """Whether whoever has the private key of this public one signed these bytes.

    Args:
        data: What was signed.
        told: What `sign` gave.
        public: The key; None to believe the one that is told.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    named, _, signature = told.strip().partition("\n")
    if public not in (None, named):
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(named, validate=True))
        key.verify(base64.b64decode(signature, validate=True), data)
    except (ValueError, InvalidSignature):
        return False
    return True


def _told(key: "Ed25519PublicKey") -> str:
    from cryptography.hazmat.primitives import serialization

    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def _key(root: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = root / KEY_FILE
    if not path.exists():
        _make(path)
    try:
        found = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as exc:
        raise StoreError(
            f"{path} cannot be read ({exc}); put it back from a backup, or remove it for a new one"
        ) from exc
    if not isinstance(found, Ed25519PrivateKey):
        raise StoreError(f"{path} is another kind of key; remove it for a new one")
    return found


def _make(path: Path) -> None:
    """Written whole under another name first: two exports that begin at once have one key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    part = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(made)
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
