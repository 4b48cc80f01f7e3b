"""Where nothing is sent, whatever an admin types or a name server says."""

import ipaddress

import pytest

from pipeline.errors import UsageError
from pipeline.webhooks.posting import check_url, is_public


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
