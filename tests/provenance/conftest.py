"""A desk's signing identity, made for the tests, and pictures that a provider has signed with another one."""

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.provenance.credentials import LIBRARY_SETTINGS
from pipeline.provenance.identity import write_trial
from pipeline.provenance.marking import Marker
from pipeline.provenance.origin import Origin, Round
from pipeline.settings import ProvenanceSettings
from tests.conftest import need

MADE_AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BY_A_MODEL = Origin(
    rounds=(
        Round(
            provider="openai",
            ai_model="gpt-image-2.5-flare-2026-09-08",
            prompt="Put it on white",
            asked_by="ada@example.com",
            made_at=MADE_AT,
        ),
    ),
    source_uri="https://shop.example.com/raw/7.jpg?size=large",
)
BY_THE_DESK = Origin(rounds=(Round(provider="local", operations=("crop",), made_at=MADE_AT),))


def drawn(kind: str, *, size_wh: tuple[int, int] = (96, 64), **options: object) -> bytes:
    """A picture with something in every corner, so that a lost pixel is seen."""
    noise = np.random.default_rng(7).integers(0, 256, (size_wh[1] // 8, size_wh[0] // 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).resize(size_wh, Image.Resampling.NEAREST).save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.tobytes()


@pytest.fixture(scope="session")
def identity_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the desk's certificate and key, and the provider's."""
    need("c2pa", 'pip install "picturedesk[provenance]"')
    folder = tmp_path_factory.mktemp("identity")
    write_trial("Shop", folder)
    write_trial("Provider", folder / "provider")
    return folder


SIGNED = ProvenanceSettings(certificate="trial-certificate.pem", key="trial-key.pem", signer="Shop Ltd")


@pytest.fixture(scope="session")
def marker(identity_folder: Path) -> Marker:
    """Of a desk that signs."""
    return Marker(SIGNED, identity_folder)


def signed_by_provider(data: bytes, media_type: str, folder: Path) -> bytes:
    """A picture as a provider gives it: created by a model, and signed by the provider."""
    import c2pa

    certificate, key = (
        (folder / "provider" / name).read_bytes() for name in ("trial-certificate.pem", "trial-key.pem")
    )
    created = {
        "action": "c2pa.created",
        "when": "2026-11-21T11:59:00Z",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "softwareAgent": {"name": "gpt-image-2.5-flare"},
    }
    manifest = {
        "claim_generator_info": [{"name": "Provider", "version": "1"}],
        "title": "image",
        "format": media_type,
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}],
    }
    buffer = io.BytesIO()
    with c2pa.Builder(manifest, context=c2pa.Context.from_dict(LIBRARY_SETTINGS)) as builder:
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo("es256", certificate, key, None))
        builder.sign(signer, media_type, io.BytesIO(data), buffer)
    return buffer.getvalue()
