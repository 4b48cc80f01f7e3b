"""Freshdesk, by its API v2.

Source: https://developers.freshdesk.com/api/ (view a ticket, list all conversations, create a note, create a reply,
update a ticket, rate limit); read in copies of it in public repositories on 2026-11-21. Its automations cannot sign
what they send: a custom header of the webhook brings a secret.
"""

import html
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.tickets import Answer, Delivery, Photo, Ticket, Tools
from pipeline.tickets.messages import message, number, objects, text
from pipeline.tickets.options import HelpDeskOptions, credential
from pipeline.tickets.signatures import check_secret
from pipeline.tickets.wire import Wire

_HOSTS = ("*.freshdesk.com", "s3.amazonaws.com/*cdn.freshdesk.com", "s3-*.amazonaws.com/*cdn.freshdesk.com")
"""Attachments are signed links into Freshdesk's own buckets, or its hosts for attachments."""

_WITH_TICKET = 10
"""Conversations that come with a ticket; those behind are asked for by themselves."""

_PAGE = 100
_MOST_PAGES = 10


class Freshdesk:
    """A Freshdesk account; its key is an agent's API key.

    Args:
        name: Of its table in the settings.
        options: That table.
        tools: Limits.

    Raises:
        UsageError: A credential is missing.
    """

    def __init__(self, *, name: str, options: HelpDeskOptions, tools: Tools) -> None:
        self._name = name
        self._secret = credential(name, options.secret_variable or "FRESHDESK_WEBHOOK_SECRET", "the webhook's secret")
        self._header = options.secret_header
        key = credential(name, options.key_variable or "FRESHDESK_API_KEY", "the API key")
        hosts = (*_HOSTS, *options.attachment_hosts)
        self._wire = Wire(name, options.address, auth=(key, "X"), hosts=hosts, tools=tools)

    def delivery(self, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Delivery:
        """What an automation's webhook says, in its simple form or in one's own JSON."""
        check_secret(self._secret, self._header, headers)
        said = message(body)
        simple = said.get("freshdesk_webhook")
        return Delivery(number((simple if isinstance(simple, dict) else said).get("ticket_id")))

    def ticket(self, number: str, said: Mapping[str, Any]) -> Ticket:
        """The pictures of the ticket and of what is public in its conversations."""
        found = self._found(number)
        public = [each for each in self._conversations(number, found) if each.get("private") is False]
        fields = {name: text(value) for name, value in (found.get("custom_fields") or {}).items()}
        fields |= {each: text(found.get(each)) for each in ("priority", "status", "type")}
        photos = [
            Photo(str(each.get("id")), text(each.get("name")), text(each.get("attachment_url")), _media_type(each))
            for part in (found, *public)
            for each in objects(self._name, part.get("attachments") or [])
            if _media_type(each).startswith("image/")
        ]
        return Ticket(number, tuple(photos), fields)

    def photo(self, photo: Photo) -> bytes:
        """Its bytes; a signed link, which gets no key."""
        return self._wire.fetch(photo.url)

    def has_answer(self, number: str, reference: str) -> bool:
        """Whether a note or reply has the reference."""
        conversations = self._conversations(number, self._found(number))
        return any(reference in text(each.get("body_text") or each.get("body")) for each in conversations)

    def answer(self, number: str, answer: Answer, *, is_commented: bool) -> None:
        """A reply, or a private note; then the fields, which are the same however often they are set."""
        if answer.comment and not is_commented:
            body: dict[str, str] = {"body": html.escape(answer.comment).replace("\n", "<br>")}
            kind = "reply" if answer.is_public else "notes"
            if not answer.is_public:
                body["private"] = "true"
            files = [("attachments[]", (each.file_name, each.data, each.media_type)) for each in answer.pictures]
            form: dict[str, Any] = {"data": body, "files": files} if files else {"json": _typed(body)}
            self._wire.ask("POST", f"/api/v2/tickets/{number}/{kind}", **form)
        changes: dict[str, Any] = {name: each for name, each in answer.fields.items() if not name.startswith("cf_")}
        custom = {name: each for name, each in answer.fields.items() if name.startswith("cf_")}
        if custom:
            changes["custom_fields"] = custom
        if answer.tags:  # which are set as a whole
            changes["tags"] = list(dict.fromkeys([*(self._found(number).get("tags") or []), *answer.tags]))
        if changes:
            self._wire.ask("PUT", f"/api/v2/tickets/{number}", json=changes)

    def close(self) -> None:
        """Let go of connections."""
        self._wire.close()

    def _found(self, number: str) -> Mapping[str, Any]:
        answer = self._wire.ask("GET", f"/api/v2/tickets/{number}?include=conversations")
        return objects(self._name, [answer])[0]

    def _conversations(self, number: str, found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        first = objects(self._name, found.get("conversations") or [])
        if len(first) < _WITH_TICKET:
            yield from first
            return
        for page in range(1, _MOST_PAGES + 1):
            path = f"/api/v2/tickets/{number}/conversations?page={page}&per_page={_PAGE}"
            listed = objects(self._name, self._wire.ask("GET", path))
            yield from listed
            if len(listed) < _PAGE:
                return


def _typed(body: Mapping[str, str]) -> dict[str, str | bool]:
    """As JSON has it: a form has texts only."""
    return {name: True if name == "private" else value for name, value in body.items()}


def _media_type(attachment: Mapping[str, Any]) -> str:
    return text(attachment.get("content_type")).lower()
