"""What a receiver takes, and what it refuses; signatures by the words of the specification, apart from any library."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.webhooks.verifying import NotGenuine, Replayed, SeenInMemory, Verifier, signed_headers

SECRET, OLD, OTHER = (f"whsec_{base64.b64encode(bytes([n]) * 32).decode()}" for n in (1, 2, 3))
BODY = '{"type":"edit.approved","data":{"asset":{"name":"Tisch „Ä“ 猫"}}}'.encode()


def signed(*secrets: str, name: str = "msg_1", at: float | None = None, body: bytes = BODY) -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    signatures = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        found = hmac.digest(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256)
        signatures.append(f"v1,{base64.b64encode(found).decode()}")
    return {"Webhook-Id": name, "Webhook-Timestamp": stamp, "Webhook-Signature": " ".join(signatures)}


def test_a_message_is_taken_once_and_again_if_it_could_not_be_done() -> None:
    verifier = Verifier([SECRET])
    assert verifier.verify(signed(SECRET), BODY)["data"]["asset"]["name"] == "Tisch „Ä“ 猫"
    later = signed(SECRET, at=time.time() + 60)
    with pytest.raises(Replayed):
        verifier.verify(later, BODY)
    verifier.forget(later)
    assert verifier.verify(later, BODY)["type"] == "edit.approved"
    assert verifier.verify(signed(SECRET, name="msg_2"), BODY)["type"] == "edit.approved"


def test_while_a_secret_is_changed_both_sides_may_have_either() -> None:
    assert Verifier([SECRET]).verify(signed(OLD, SECRET), BODY)
    assert Verifier([OLD]).verify(signed(SECRET, OLD), BODY)
    assert Verifier([SECRET, OLD]).verify(signed(OLD), BODY)


REFUSED: dict[str, Callable[[], tuple[dict[str, str], bytes]]] = {
    "another secret": lambda: (signed(OTHER), BODY),
    "another body": lambda: (signed(SECRET), BODY.replace(b"approved", b"rejected")),
    "another name": lambda: ({**signed(SECRET), "Webhook-Id": "msg_9"}, BODY),
    "another time": lambda: ({**signed(SECRET), "Webhook-Timestamp": str(int(time.time()) + 5)}, BODY),
    "too old": lambda: (signed(SECRET, at=time.time() - 301), BODY),
    "too new": lambda: (signed(SECRET, at=time.time() + 330), BODY),
    "no time": lambda: ({**signed(SECRET), "Webhook-Timestamp": "nan"}, BODY),
    "half a signature": lambda: ({**signed(SECRET), "Webhook-Signature": "v1"}, BODY),
    "no base64": lambda: ({**signed(SECRET), "Webhook-Signature": "v1,ü=="}, BODY),
    "another version": lambda: (
        {**signed(SECRET), "Webhook-Signature": signed(SECRET)["Webhook-Signature"].replace("v1,", "v2,")},
        BODY,
    ),
    "no signature": lambda: ({**signed(SECRET), "Webhook-Signature": ""}, BODY),
    "no header": lambda: ({}, BODY),
    "no text": lambda: (signed(SECRET, body=b"\xff"), b"\xff"),
    "no JSON": lambda: (signed(SECRET, body=b"{"), b"{"),
    "no object": lambda: (signed(SECRET, body=b"[1]"), b"[1]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_whatever_is_not_the_desks_or_not_of_now_is_refused(case: str) -> None:
    """And counts as not seen: the true one is taken after it."""
    verifier = Verifier([SECRET])
    with pytest.raises(NotGenuine) as caught:
        verifier.verify(*REFUSED[case]())
    assert not isinstance(caught.value, Replayed)
    assert verifier.verify(signed(SECRET), BODY)


def test_the_desk_signs_as_the_specification_says() -> None:
    """The example of its own test suite: https://github.com/standard-webhooks/standard-webhooks, read on 2026-11-21."""
    secret, name, stamp = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    body = '{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signed(secret, name=name, at=stamp, body=body.encode())["Webhook-Signature"] == expected
    headers = signed_headers([secret], message_id=name, at=datetime.fromtimestamp(stamp, UTC), body=body)
    assert headers == {"webhook-id": name, "webhook-timestamp": str(stamp), "webhook-signature": expected}


def test_names_in_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.webhooks.verifying._MOST_KEPT", 2)
    seen: Any = SeenInMemory()
    assert [seen.add(name) for name in ("a", "b", "a", "c", "b", "a")] == [True, True, False, True, False, True]
