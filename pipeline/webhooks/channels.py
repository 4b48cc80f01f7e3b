"""Slack, Teams, e-mail and a hundred others by Apprise: grouped lines of text, at most one message a minute.

What happened is counted by the database for each batch: "37 approved, 4 rejected in batch shop-1". A channel that
cannot be reached is told later, with all that has happened by then.
"""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.desk import Desk
from pipeline.errors import UsageError
from pipeline.people import Person
from pipeline.redacting import SHOWN, redacted
from pipeline.settings import Channel
from pipeline.states import Role
from pipeline.store import listening
from pipeline.store.listening import Count, ListenerRecord
from pipeline.texts import mended
from pipeline.webhooks import schedule
from pipeline.webhooks.kinds import Message

GATHER_S = 60.0
"""So long decisions are gathered, and so far apart two messages are."""

MOST_LINES = 20
MOST_NAME = 80
_MOST_ANSWER = 300
_LEAST_SECRET = 6

_WORDS = {
    Message.APPROVED: "{n:,} approved",
    Message.REJECTED: "{n:,} rejected",
    Message.NEEDS_REVIEW: "{n:,} to review",
}

# What a channel reads as a sign, and a letter that looks like it and is none (Unicode's full-width forms).
_SIGNS = {ord(sign): chr(ord(sign) + 0xFEE0) for sign in "<>[]()!@#*~`|\\&{}$^="}
_IN_ADDRESS = re.compile(r"(?<=\w)\.(?=\w)|:(?=//)|^www(?=\.)")
_AT_A_WORDS_EDGE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """A channel as an admin sees it.

    Attributes:
        name: As in the settings.
        events: What is told there.
        at: The variable or file that holds its URL.
        record: How far it is; None if no worker has begun with it.
    """

    name: str
    events: tuple[Message, ...]
    at: str
    record: ListenerRecord | None


def listener(name: str) -> str:
    """What a channel is called among those who read the history."""
    return f"messages:{name}"


def listed(desk: Desk, *, by: Person) -> list[ChannelStatus]:
    """All channels of the settings.

    Raises:
        Forbidden: The person is no admin.
    """
    by.need(Role.ADMIN, "see the channels")
    channels = desk.settings.messages
    found = {each.name: each for each in listening.listeners(desk.db, list(map(listener, channels)))}
    return [
        ChannelStatus(name, each.events, each.url_env or str(each.url_file), found.get(listener(name)))
        for name, each in channels.items()
    ]


def check(desk: Desk, name: str) -> str:
    """Where the channel's URL is, if messages can be sent; nothing is sent.

    Raises:
        UsageError: The URL is missing or cannot be read, or Apprise is not installed.
    """
    channel = desk.settings.messages[name]
    found = _opened(_urls(desk, channel), desk.settings.page_url)
    if isinstance(found, str):
        raise UsageError(found)
    return f"its URL is in {channel.url_env or channel.url_file}"


def tell(desk: Desk, name: str, *, owner: str, gather_s: float = GATHER_S, moment: datetime | None = None) -> int:
    """Tell a channel what happened since it was told last, if it is time; gives how many messages were sent.

    Args:
        desk: Whose history is told.
        name: The channel, as in the settings.
        owner: Who tells it; one at a time does.
        gather_s: So long decisions are gathered.
        moment: Now; the database's own time if None.
    """
    channel, known = desk.settings.messages[name], listener(name)
    news = listening.take_news(desk.db, known, frozenset(channel.events), owner=owner, gather_s=gather_s, moment=moment)
    if news is None:
        return 0
    problem = _send(_urls(desk, channel), text(news.counts, page_url=desk.settings.page_url), desk.settings.page_url)
    if problem is None:
        listening.told(desk.db, known, up_to=news.up_to, pause_s=GATHER_S, moment=moment)
    else:
        pause_s = max(GATHER_S, schedule.pause_s(news.failures + 1))
        listening.not_told(desk.db, known, answer=problem, pause_s=pause_s, moment=moment)
    return 1


def text(counts: Iterable[Count], *, page_url: str | None) -> str:
    """What is said: a line for each batch, and where to look; names as plain letters that no channel reads as signs."""
    lines: list[str] = []
    by_batch: dict[str, list[Count]] = {}
    for count in counts:
        by_batch.setdefault(count.batch, []).append(count)
    for batch, found in by_batch.items():
        name = plain(batch)
        said = [_WORDS[each.message].format(n=each.n) for each in found if each.message in _WORDS]
        if said:
            lines.append(f"{', '.join(said)} in batch {name}")
        messages = {each.message for each in found}
        if Message.BATCH_DONE in messages:
            lines.append(f"batch {name} is done")
        if Message.BUDGET_REACHED in messages:
            lines.append(f"batch {name} stopped: a budget is reached")
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} lines more"]
    return "\n".join([*lines, *([f"{page_url.rstrip('/')}/batches"] if page_url else [])])


def plain(name: str) -> str:
    """A name that somebody typed, without anything that Slack, Teams, an e-mail or Markdown reads as a sign or link."""
    letters = "".join(each if each.isprintable() else " " for each in mended(name))[:MOST_NAME]
    letters = _AT_A_WORDS_EDGE.sub("＿", letters.translate(_SIGNS))
    return (
        _IN_ADDRESS.sub(lambda found: {".": "․", ":": "："}.get(found[0], "ｗｗｗ"), letters).strip()
        or "without a name"
    )


def _urls(desk: Desk, channel: Channel) -> list[str] | str:
    """The channel's URLs, or why there are none."""
    if channel.url_env is not None:
        found = os.environ.get(channel.url_env, "")
        return found.split() or f"the variable {channel.url_env} is not set for this worker"
    assert channel.url_file is not None
    try:
        found = (desk.root / channel.url_file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        return f"the file {channel.url_file} cannot be read ({type(exc).__name__})"
    return found.split() or f"the file {channel.url_file} is empty"


def _send(urls: list[str] | str, said: str, page_url: str | None) -> str | None:
    """Why it did not arrive; None if it did."""
    to = _opened(urls, page_url)
    if isinstance(to, str):
        return to
    apprise = _apprise()
    with apprise.LogCapture(level=apprise.logging.WARNING) as log:
        has_arrived = to.notify(title="Picturedesk", body=said, body_format=apprise.NotifyFormat.TEXT)
        problem = log.getvalue()
    return None if has_arrived else _clean(problem, urls) or "it did not take the message"


def _opened(urls: list[str] | str, page_url: str | None) -> Any:  # noqa: ANN401 - a library's object
    """What sends to these URLs; a text that says why there is none."""
    if isinstance(urls, str):
        return urls
    try:
        apprise = _apprise()
    except ImportError:
        return 'messages need Apprise; install it with: pip install "picturedesk[messages]"'
    # No pictures or names of the library's own, which would be fetched from elsewhere.
    asset = apprise.AppriseAsset(app_id="Picturedesk", app_desc="Picturedesk", app_url=page_url or "", async_mode=False)
    asset.image_url_mask = asset.image_url_logo = asset.image_path_mask = None
    to = apprise.Apprise(asset=asset)
    if not all(map(to.add, urls)):
        return "a URL of the channel cannot be read: see https://github.com/caronc/apprise/wiki for its form"
    for service in to:
        if service.notify_format == apprise.NotifyFormat.MARKDOWN:
            service.notify_format = apprise.NotifyFormat.TEXT  # else dots and hyphens, of links too, get a backslash
    return to


def _apprise() -> Any:  # noqa: ANN401 - parts of it have no types
    import apprise

    # What it logs may name a part of a channel's URL: it is heard by `_send` alone, which takes that out.
    if apprise.logger.propagate:
        apprise.logger.addHandler(logging.NullHandler())
        apprise.logger.propagate = False
    return apprise


def _clean(problem: str, urls: Iterable[str]) -> str:
    """What the library said, without any part of the channel's URL."""
    for part in sorted({part for url in urls for part in re.split(r"[/:@?&=]+", url)}, key=len, reverse=True):
        if len(part) >= _LEAST_SECRET:
            problem = problem.replace(part, SHOWN)
    return " ".join(mended(redacted(problem)).split())[:_MOST_ANSWER]


def standing(status: ChannelStatus) -> str:
    """How a channel stands, in words; what was said of it is anybody's text."""
    if status.record is None:
        return "no worker has begun with it"
    if status.record.failing_since is not None:
        return f"failing since {status.record.failing_since:%Y-%m-%d %H:%M} UTC: {status.record.answer}"
    return "on"


def as_json(status: ChannelStatus) -> dict[str, Any]:
    """JSON values."""
    record = status.record
    since = None if record is None or record.failing_since is None else record.failing_since.isoformat("T", "seconds")
    return {
        "channel": status.name,
        "events": [each.value for each in status.events],
        "url_is_in": status.at,
        "failures": 0 if record is None else record.failures,
        "failing_since": since,
        "answer": "" if record is None else record.answer,
    }
