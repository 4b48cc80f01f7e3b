"""Who signs: only a certificate with its own key that holds now, and a key that stands in no settings."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline import doctor
from pipeline.doctor import Level
from pipeline.errors import UsageError
from pipeline.provenance import identity
from pipeline.provenance.identity import make_trial, read_identity, write_trial
from pipeline.provenance.marking import Marker
from pipeline.settings import ProvenanceSettings
from tests.desks import build_desk
from tests.provenance.conftest import BY_THE_DESK, SIGNED, drawn

BOTH = {"certificate": "trial-certificate.pem", "key": "trial-key.pem"}


def test_the_key_may_be_in_the_environment(identity_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SIGNING_KEY", (identity_folder / "trial-key.pem").read_text())
    found = Marker(SIGNED.model_copy(update={"key": "env:SHOP_SIGNING_KEY"}), identity_folder)
    assert found.mark(drawn("PNG"), BY_THE_DESK, title="7.png").columns["c2pa_state"] == "untrusted"
    assert found.identity is not None
    assert "PRIVATE" not in repr(found.identity)
    monkeypatch.delenv("SHOP_SIGNING_KEY")
    with pytest.raises(UsageError, match="SHOP_SIGNING_KEY is not set"):
        Marker(SIGNED.model_copy(update={"key": "env:SHOP_SIGNING_KEY"}), identity_folder)


def test_a_key_in_the_settings_is_refused() -> None:
    with pytest.raises(ValidationError):
        ProvenanceSettings(key="-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----\n")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"certificate": "trial-certificate.pem"}, "one of certificate and key"),
        ({**BOTH, "certificate": "nowhere.pem"}, "nowhere.pem: No such file"),
        ({**BOTH, "key": "trial-certificate.pem"}, "no private key"),
        ({**BOTH, "certificate": "trial-key.pem"}, "no certificate"),
        ({**BOTH, "key": "provider/trial-key.pem"}, "not the key of"),
        ({**BOTH, "trust_list": "nowhere.pem"}, "trust_list"),
    ],
)
def test_what_cannot_sign_is_said_before_anything_is_written(
    settings: dict[str, Any], why: str, identity_folder: Path
) -> None:
    with pytest.raises(UsageError, match=why):
        Marker(ProvenanceSettings(**settings), identity_folder)


def test_a_certificate_that_is_over_does_not_sign(
    identity_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "TRIAL_DAYS", 0)
    write_trial("Late", tmp_path)
    with pytest.raises(UsageError, match="renew it"):
        read_identity(SIGNED, tmp_path)


def test_a_certificate_signed_by_itself_is_refused_with_what_to_do(identity_folder: Path, tmp_path: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    own = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "trial-certificate.pem").write_bytes(own)
    (tmp_path / "trial-key.pem").write_bytes(key.private_bytes(*form))
    with pytest.raises(UsageError, match="make-certificate"):
        read_identity(SIGNED, tmp_path)


def test_names_go_into_a_certificate_as_they_are() -> None:
    pytest.importorskip("cryptography")
    certificates, key = make_trial("Mäntel & Söhne, O=Fake")
    from cryptography import x509

    leaf, root = x509.load_pem_x509_certificates(certificates)
    (organisation,) = leaf.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
    assert organisation.value == "Mäntel & Söhne, O=Fake (trial, trusted by nobody)"
    assert b"PRIVATE KEY" in key
    leaf.verify_directly_issued_by(root)


def test_the_doctor_warns_before_the_certificate_ends(
    identity_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_SIGNING_DAYS", 366)
    with closing(build_desk(tmp_path / "desk")) as desk:
        write_trial("Shop", desk.root)
        desk.settings = desk.settings.model_copy(update={"provenance": SIGNED})
        (origin,) = (check for check in doctor.examine(desk) if check.name == "origin")
    assert origin.level is Level.WARNING
    assert "signed by Shop (trial, trusted by nobody) until" in origin.found
