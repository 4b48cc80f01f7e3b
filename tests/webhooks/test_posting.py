"""Where nothing is sent, whatever an admin types or a name server says; and what a certificate has to say."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.addresses import is_public
from pipeline.errors import UsageError
from pipeline.webhooks import posting
from pipeline.webhooks.posting import Answer, check_url
from tests.webhooks.receiver import Receiver


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1"),
        *("64:ff9b::a9fe:a9fe", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ],
)
def test_private_addresses_are_known_in_every_disguise(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_ones_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://shop.example.com/hook",
            "ftp://shop.example.com",
            "shop.example.com",
            "https://",
            "",
            "https:///hook",
        ),
        *("https://ada:secret@shop.example.com/hook", "https://127.0.0.1/hook", "https://[::1]/hook", "https://[::1/"),
        *("https://169.254.169.254/latest", "https://[::ffff:10.0.0.1]/", "https://a b/"),
        *("file:///etc/passwd", "https://x.example.com:99999/", f"https://x.example.com/{'x' * 2000}"),
    ],
)
def test_a_url_that_leads_nowhere_public_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_url(url, allow_private=False)
    assert "secret" not in str(caught.value)


def test_private_ones_are_for_a_setting() -> None:
    assert check_url(" http://10.0.0.7:8080/hook?a=b ", allow_private=True) == "http://10.0.0.7:8080/hook?a=b"
    assert check_url("https://shop.example.com/hook", allow_private=False) == "https://shop.example.com/hook"


def test_the_certificate_has_to_be_the_names_although_the_address_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a name has several addresses, of which the first does not answer, the next one is asked."""
    for name, is_well in (("localhost", True), ("127.0.0.1.example.com", False)):
        with Receiver(certified=certified(tmp_path, name)) as receiver:
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{name}.pem"))
            posting._trusted.cache_clear()
            answer = asyncio.run(post(f"https://localhost:{receiver.port}/hook"))
            assert answer.is_well is is_well
            assert [request.headers["host"] for request in receiver.requests] == [
                f"localhost:{receiver.port}"
            ] * is_well
            assert is_well or "certificate" in answer.text
    posting._trusted.cache_clear()


async def post(url: str) -> Answer:
    async with posting.opened_client(allow_private=True) as client:
        return await posting.post(client, url, "{}", {}, timeout_s=60)


def certified(folder: Path, name: str) -> ssl.SSLContext:
    """A certificate of this name alone, that signs itself, in a file called like it."""
    key, subject = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]),
    )
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context
