"""Uploads through OpenAI's own client."""

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.fake_api.drawing import picture
from tests.fake_api.running import RunningFake, quick_options, running_fake


@pytest.fixture(scope="module")
def client(shared_fake: RunningFake) -> Iterator[openai.OpenAI]:
    with shared_fake.client() as opened_client:
        yield opened_client


def test_a_file_is_kept_as_long_as_it_is_said_and_can_be_deleted(client: openai.OpenAI) -> None:
    kept = client.files.create(
        file=("mug.png", picture(), "image/png"),
        purpose="vision",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert kept.expires_at == kept.created_at + 3600
    assert (kept.filename, kept.bytes, kept.purpose) == ("mug.png", len(picture()), "vision")
    assert client.files.retrieve(kept.id) == kept
    assert client.files.content(kept.id).read() == picture()
    assert kept.id in [each.id for each in client.files.list(purpose="vision")]
    assert kept.id not in [each.id for each in client.files.list(purpose="batch")]
    assert client.files.delete(kept.id).deleted
    with pytest.raises(openai.NotFoundError, match=kept.id):
        client.files.retrieve(kept.id)


def test_files_come_page_by_page_the_newest_first(client: openai.OpenAI) -> None:
    names = [client.files.create(file=(f"{n}", b"x"), purpose="evals").id for n in range(5)]
    assert [each.id for each in client.files.list(purpose="evals", limit=2)] == names[::-1]


def test_a_file_for_a_batch_expires_by_itself_after_thirty_days(client: openai.OpenAI) -> None:
    kept = client.files.create(file=("lines.jsonl", b"{}\n"), purpose="batch")
    assert kept.expires_at == kept.created_at + 30 * 24 * 3600


def test_a_file_is_gone_once_it_expires(tmp_path: Path) -> None:
    """Its day is put into the past by hand: the shortest time that may be asked for is an hour."""
    with running_fake(quick_options(folder=tmp_path)) as fake, fake.client() as client:
        kept = client.files.create(file=("a.png", picture()), purpose="vision")
        entry = tmp_path / f"{kept.id}.file.json"
        entry.write_text(json.dumps(json.loads(entry.read_text()) | {"expires_at": kept.created_at - 1}))
        with pytest.raises(openai.NotFoundError):
            client.files.content(kept.id)
        assert list(client.files.list()) == []


def test_files_are_known_after_a_restart(tmp_path: Path) -> None:
    with running_fake(quick_options(folder=tmp_path)) as fake, fake.client() as client:
        kept = client.files.create(file=("a.png", picture()), purpose="vision")
    with running_fake(quick_options(folder=tmp_path)) as fake, fake.client() as client:
        assert client.files.retrieve(kept.id) == kept
        assert client.files.content(kept.id).read() == picture()
