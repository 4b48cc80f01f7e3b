"""Zendesk Support, by its Ticketing API.

Sources, read on 2026-11-21, all below https://developer.zendesk.com: documentation/webhooks/verifying and
documentation/webhooks/anatomy-of-a-webhook-request (messages), api-reference/ticketing/tickets/ticket_comments and
ticket-attachments (comments, pictures), documentation/ticketing/managing-tickets/adding-ticket-attachments-with-the-api
(uploads). Public repositories have attachments' addresses lead on to ``*.zdusercontent.com``, which must not get the
key; the reference says no more than that a file "may be hosted externally".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from pipeline.tickets import Answer, Delivery, Photo, Ticket, Tools
from pipeline.tickets.messages import message, number, object_, objects, text
from pipeline.tickets.options import HelpDeskOptions, credential
from pipeline.tickets.signatures import check_zendesk
from pipeline.tickets.wire import Wire

_HOSTS = ("*.zendesk.com", "*.zdusercontent.com")
_MOST_PAGES = 50
_FIELD_ID = re.compile(r"[0-9]+")


class Zendesk:
    """A Zendesk account; its key is an API token with its agent's address as ``user``, or an OAuth token without.

    Args:
        name: Of its table in the settings.
        options: That table.
        tools: Limits.

    Raises:
        UsageError: A credential is missing.
    """

    def __init__(self, *, name: str, options: HelpDeskOptions, tools: Tools) -> None:
        self._name = name
        self._secret = credential(name, options.secret_variable or "ZENDESK_WEBHOOK_SECRET", "the webhook's secret")
        key = credential(name, options.key_variable or "ZENDESK_API_TOKEN", "the API token")
        auth = (f"{options.user}/token", key) if options.user else None
        headers = {} if options.user else {"Authorization": f"Bearer {key}"}
        hosts = (*_HOSTS, *options.attachment_hosts)
        self._wire = Wire(name, options.address, auth=auth, headers=headers, hosts=hosts, tools=tools)

    def delivery(self, headers: Mapping[str, str], body: bytes, *, now_s: float) -> Delivery:
        """What a trigger's webhook says; or one of Zendesk's ticket events, whose ticket is its detail."""
        check_zendesk(self._secret, headers, body, now_s=now_s)
        said = message(body)
        detail = said.get("detail")
        found = said.get("ticket_id", detail.get("id") if isinstance(detail, dict) else None)
        return Delivery(number(found), name=headers.get("x-zendesk-webhook-invocation-id", "")[:200])

    def ticket(self, number: str, said: Mapping[str, Any]) -> Ticket:
        """The pictures of its public comments, and its own fields by number."""
        found = object_(self._name, self._wire.ask("GET", f"/api/v2/tickets/{number}.json"), "ticket")
        fields = {str(each.get("id")): text(each.get("value")) for each in _listed(self._name, found, "custom_fields")}
        fields |= {each: text(found.get(each)) for each in ("priority", "status", "type")}
        photos = [
            Photo(str(each.get("id")), text(each.get("file_name")), text(each.get("content_url")), _media_type(each))
            for comment in self._comments(number)
            if comment.get("public") is True
            for each in _listed(self._name, comment, "attachments")
            if _media_type(each).startswith("image/") and each.get("malware_scan_result") != "malware_found"
        ]
        return Ticket(number, tuple(photos), fields)

    def photo(self, photo: Photo) -> bytes:
        """Its bytes; the address leads on to where Zendesk keeps files, which gets no key."""
        return self._wire.fetch(photo.url)

    def has_answer(self, number: str, reference: str) -> bool:
        """Whether one of its comments has the reference."""
        return any(reference in text(comment.get("body")) for comment in self._comments(number))

    def answer(self, number: str, answer: Answer, *, is_commented: bool) -> None:
        """Uploads, and then one update with comment, fields and tags: all of it or nothing."""
        ticket: dict[str, Any] = {}
        if answer.comment and not is_commented:
            uploads = [self._upload(each.file_name, each.media_type, each.data) for each in answer.pictures]
            ticket["comment"] = {"body": answer.comment, "public": answer.is_public, "uploads": uploads}
        own = {name: value for name, value in answer.fields.items() if not _FIELD_ID.fullmatch(name)}
        custom = [{"id": int(name), "value": value} for name, value in answer.fields.items() if name not in own]
        ticket |= own
        if custom:
            ticket["custom_fields"] = custom
        if answer.tags:
            ticket["additional_tags"] = list(answer.tags)
        if ticket:
            self._wire.ask("PUT", f"/api/v2/tickets/{number}.json", json={"ticket": ticket})

    def close(self) -> None:
        """Let go of connections."""
        self._wire.close()

    def _upload(self, file_name: str, media_type: str, data: bytes) -> str:
        """A file's token; one that no comment takes is gone after an hour."""
        path = f"/api/v2/uploads.json?{httpx.QueryParams(filename=file_name)}"
        answer = self._wire.ask("POST", path, content=data, headers={"Content-Type": media_type})
        return text(object_(self._name, answer, "upload").get("token"))

    def _comments(self, number: str) -> Iterator[Mapping[str, Any]]:
        path = f"/api/v2/tickets/{number}/comments.json?page[size]=100"
        for _ in range(_MOST_PAGES):
            page = self._wire.ask("GET", path)
            yield from _listed(self._name, page, "comments")
            meta, links = page.get("meta") or {}, page.get("links") or {}
            if not (meta.get("has_more") and links.get("next")):
                return
            path = text(links["next"])


def _listed(name: str, found: Any, key: str) -> list[Mapping[str, Any]]:  # noqa: ANN401 - JSON
    return objects(name, (found or {}).get(key) or [])


def _media_type(attachment: Mapping[str, Any]) -> str:
    return text(attachment.get("content_type")).lower()
