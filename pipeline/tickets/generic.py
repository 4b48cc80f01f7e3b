"""Any other help desk: it sends a ticket with its pictures' addresses, and is sent the answer.

A message in is a JSON object: ``ticket_id``, ``pictures`` (a list of ``url``, and ``id`` and ``file_name`` if there
are any), and ``fields`` for the recipe's parameters. It is signed as Standard Webhooks has it, or brings the secret in
a header. The answer goes to the address as JSON with the pictures in base64, signed in the same way; its ``webhook-id``
is the answer's reference: who has seen that has to take no second one.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.tickets import Answer, Delivery, Photo, Ticket, Tools
from pipeline.tickets.messages import message, number, text
from pipeline.tickets.options import HelpDeskOptions, credential
from pipeline.tickets.signatures import check_secret, check_standard, standard_headers
from pipeline.tickets.wire import Wire

if TYPE_CHECKING:
    from standardwebhooks import Webhook

_MOST_PICTURES = 100
_PREFIX = "whsec_"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class GenericHelpDesk:
    """A help desk that is told what to send.

    Args:
        name: Of its table in the settings.
        options: That table; ``key_variable`` names an API key that is sent as a bearer's, if it is set.
        tools: Limits.

    Raises:
        UsageError: A credential is missing.
    """

    def __init__(self, *, name: str, options: HelpDeskOptions, tools: Tools) -> None:
        self._secret = credential(name, options.secret_variable or "TICKETS_SECRET", "the secret of its messages")
        self._webhook = _webhook(name, self._secret)
        self._header = options.secret_header
        variable = options.key_variable
        headers = {"Authorization": f"Bearer {credential(name, variable, 'the API key')}"} if variable else {}
        self._wire = Wire(name, options.address, headers=headers, hosts=options.attachment_hosts, tools=tools)

    def delivery(self, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Delivery:
        """What a message says; pictures and fields are kept, since nobody can be asked for them."""
        if "webhook-signature" in headers:
            name = check_standard(self._webhook, headers, body)
        else:
            check_secret(self._secret, self._header, headers)
            name = ""
        said = message(body)
        pictures = said.get("pictures", [])
        if not isinstance(pictures, list) or len(pictures) > _MOST_PICTURES:
            raise UsageError(f"pictures: expected a list of at most {_MOST_PICTURES}")
        kept = {"pictures": [_picture(each) for each in pictures], "fields": _fields(said.get("fields", {}))}
        return Delivery(number(said.get("ticket_id")), name=name[:200], said={"messages": [kept]})

    def ticket(self, number: str, said: Mapping[str, Any]) -> Ticket:
        """What the messages told that nobody has looked at yet; each one's fields are those of its pictures."""
        photos = [
            Photo(each["id"], each["file_name"], each["url"], fields=told.get("fields", {}))
            for told in [said, *said.get("messages", [])]  # an earlier version kept one, without a list
            for each in told.get("pictures", [])
        ]
        return Ticket(number, tuple(photos))

    def photo(self, photo: Photo) -> bytes:
        """Its bytes."""
        return self._wire.fetch(photo.url)

    def has_answer(self, number: str, reference: str) -> bool:
        """Nobody can be asked; the answer is sent under the same name again, and is one for who looks at that."""
        return False

    def answer(self, number: str, answer: Answer, *, is_commented: bool) -> None:
        """One signed request with all of it."""
        pictures = [
            {"file_name": each.file_name, "media_type": each.media_type, "data": base64.b64encode(each.data).decode()}
            for each in answer.pictures
        ]
        told = {
            "ticket_id": number,
            "reference": answer.reference,
            "outcome": answer.outcome,
            "comment": answer.comment,
            "public": answer.is_public,
            "fields": dict(answer.fields),
            "tags": list(answer.tags),
            "pictures": pictures,
        }
        body = json.dumps(told, ensure_ascii=False)
        headers = {"Content-Type": "application/json", **standard_headers(self._webhook, answer.reference, body)}
        self._wire.ask("POST", "", content=body.encode(), headers=headers)

    def close(self) -> None:
        """Let go of connections."""
        self._wire.close()


def _webhook(name: str, secret: str) -> "Webhook":
    from standardwebhooks import Webhook

    try:
        base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        if not secret.removeprefix(_PREFIX) or not secret.startswith(_PREFIX):
            raise ValueError("no prefix")
    except ValueError as exc:
        raise UsageError(
            f"tickets.{name}: the secret of its messages has to be {_PREFIX} and base64, as Standard Webhooks has it; "
            f'make one with: echo "{_PREFIX}$(openssl rand -base64 24)"'
        ) from exc
    return Webhook(secret)


def _picture(found: object) -> dict[str, str]:
    url = found.get("url") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(url, str) or len(url) > 4_000:
        raise UsageError("pictures: expected objects with a url")
    name = text(found.get("id"))
    return {
        "id": name if _PLAIN.fullmatch(name) else hashlib.sha256((name or url).encode()).hexdigest()[:16],
        "file_name": (text(found.get("file_name")) or "picture")[:200],
        "url": url,
    }


def _fields(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        raise UsageError("fields: expected an object of texts")
    return {str(name)[:200]: text(value)[:2_000] for name, value in found.items()}
