"""What ``picturedesk webhooks`` prints."""

from collections.abc import Sequence

from rich.table import Table

from pipeline.console import open_console, plain
from pipeline.store.outgoing import DeliveryRecord, WebhookRecord
from pipeline.webhooks import channels, endpoints
from pipeline.webhooks.channels import ChannelStatus


def print_webhooks(found: Sequence[WebhookRecord]) -> None:
    """One line for each."""
    out = open_console()
    if not found:
        out.print("there is no webhook; add one with: picturedesk webhooks add URL")
        return
    table = Table("webhook", "URL", "told", "state", "waiting", "dead")
    for each in found:
        told = ", ".join(event.value for event in each.events)
        table.add_row(
            str(each.id), *map(plain, (each.url, told, endpoints.standing(each))), f"{each.waiting:,}", f"{each.dead:,}"
        )
    out.print(table)


def print_channels(found: Sequence[ChannelStatus]) -> None:
    """One line for each; nothing if there is none."""
    if not found:
        return
    table = Table("channel", "told", "URL is in", "state")
    for each in found:
        told = ", ".join(event.value for event in each.events)
        table.add_row(*map(plain, (each.name, told, each.at, channels.standing(each))))
    open_console().print(table)


def print_deliveries(found: Sequence[DeliveryRecord]) -> None:
    """One line for each."""
    out = open_console()
    if not found:
        out.print("everything was delivered")
        return
    table = Table("delivery", "webhook", "told", "about", "tries", "state", "last answer")
    for each in found:
        cells = [str(each.id), str(each.webhook_id), each.kind, each.subject, str(each.tries)]
        table.add_row(*map(plain, [*cells, endpoints.whats_next(each), endpoints.last_answer(each)]))
    out.print(table)
