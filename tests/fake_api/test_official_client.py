"""OpenAI's own client, round and round through the fake service."""

import time
from collections.abc import Iterator

import openai
import pytest
from PIL import Image

from tests.fake_api.batches import answers, ended, line, start_batch
from tests.fake_api.drawing import data_url, encoded, opened, picture
from tests.fake_api.running import RunningFake, quick_options, running_fake

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(scope="module")
def client(shared_fake: RunningFake) -> Iterator[openai.OpenAI]:
    with shared_fake.client() as opened_client:
        yield opened_client


@pytest.fixture(scope="module")
def editing_client() -> Iterator[openai.OpenAI]:
    """At a service that edits with the local engine."""
    with running_fake(quick_options(engine="local")) as fake, fake.client() as opened_client:
        yield opened_client


def red_and_blue() -> bytes:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (96, 64), RED)
    image.paste(BLUE, (48, 0, 96, 64))
    return encoded(image)


def test_an_edit_is_a_real_one_in_the_size_that_was_asked_for(editing_client: openai.OpenAI) -> None:
    answer = editing_client.images.edit(
        image=("flag.png", red_and_blue(), "image/png"),
        prompt="flip horizontally",
        model="gpt-image-2.5-flare",
        size="1536x1024",
    )
    assert answer.data is not None
    (output,) = answer.data
    image = opened(output.b64_json)
    assert image.size == (1536, 1024)
    assert (image.getpixel((300, 500)), image.getpixel((1200, 500))) == (BLUE, RED)
    assert (answer.size, answer.output_format) == ("1536x1024", "png")


def test_an_edit_with_a_mask_leaves_what_is_not_transparent_in_it(editing_client: openai.OpenAI) -> None:
    """A red square on white, and a mask that is open over it."""
    source = Image.new("RGB", (1024, 1024), WHITE)
    source.paste(RED, (400, 400, 600, 600))
    source.paste(BLUE, (0, 0, 200, 200))
    mask = Image.new("RGBA", source.size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (380, 380, 620, 620))
    answer = editing_client.images.edit(
        image=("square.png", encoded(source), "image/png"),
        mask=("mask.png", encoded(mask), "image/png"),
        prompt="remove the object in the mask",
        size="1024x1024",
    )
    assert answer.data is not None
    image = opened(answer.data[0].b64_json)
    assert image.getpixel((500, 500)) == WHITE
    assert image.getpixel((100, 100)) == BLUE


def test_a_sentence_beyond_the_local_engine_still_changes_the_picture(editing_client: openai.OpenAI) -> None:
    answer = editing_client.images.edit(
        image=("red.png", picture(colour=RED), "image/png"),
        prompt="let it feel like a Tuesday",
        size="1024x1024",
    )
    assert answer.data is not None
    image = opened(answer.data[0].b64_json)
    assert image.size == (1024, 1024)
    assert image.getpixel((500, 500)) not in (RED, tuple(255 - part for part in RED))


def test_an_edit_takes_a_list_of_pictures_and_bills_each(client: openai.OpenAI) -> None:
    """64 x 64 pixels are 2 x 2 patches of 32 x 32."""
    pictures = [(f"{number}.png", picture(), "image/png") for number in range(3)]
    answer = client.images.edit(image=pictures, prompt="put them side by side")
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 3 * 4


def test_several_outputs_come_and_are_counted_as_so_many_requests(client: openai.OpenAI) -> None:
    source = ("red.png", picture(), "image/png")
    one, three = (client.images.edit(image=source, prompt="make it warmer", n=n) for n in (1, 3))
    assert one.usage is not None
    assert three.usage is not None
    assert three.data is not None
    assert len(three.data) == 3
    assert three.usage.total_tokens == 3 * one.usage.total_tokens


def test_usage_adds_up(client: openai.OpenAI) -> None:
    usage = client.images.edit(image=("red.png", picture(), "image/png"), prompt="make it warmer").usage
    assert usage is not None
    assert usage.input_tokens == usage.input_tokens_details.text_tokens + usage.input_tokens_details.image_tokens
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.output_tokens > 0


def test_a_picture_is_generated_from_a_sentence_alone(client: openai.OpenAI) -> None:
    answer = client.images.generate(prompt="a mug", model="gpt-image-2", size="1024x1536", output_format="webp")
    assert answer.data is not None
    image = opened(answer.data[0].b64_json)
    assert (image.size, image.format) == ((1024, 1536), "WEBP")
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.image_tokens == 0


def test_a_transparent_background_is_transparent(client: openai.OpenAI) -> None:
    """The quick engine gives the negative: the ground turns black and clear, the blue spot yellow and solid."""
    source = Image.new("RGB", (64, 64), WHITE)
    source.paste(BLUE, (16, 16, 48, 48))
    answer = client.images.edit(
        image=("spot.png", encoded(source), "image/png"),
        prompt="cut it out",
        model="gpt-image-2.5-flare",
        background="transparent",
    )
    assert answer.data is not None
    image = opened(answer.data[0].b64_json)
    assert image.getpixel((2, 2)) == (0, 0, 0, 0)
    assert image.getpixel((32, 32)) == (255, 255, 0, 255)


def test_a_batch_answers_good_lines_in_one_file_and_bad_ones_in_another(client: openai.OpenAI) -> None:
    source = client.files.create(file=("red.png", picture(colour=RED), "image/png"), purpose="vision")
    started = start_batch(
        client,
        [
            line("by-file", {"file_id": source.id}),
            line("by-url", {"image_url": data_url(picture(colour=BLUE))}),
            line("refused", {"file_id": source.id}, prompt="fake:refuse"),
            line("lost", {"file_id": "file-that-never-was"}),
        ],
    )
    batch = ended(client, started.id)
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert batch.request_counts.to_dict() == {"total": 4, "completed": 2, "failed": 2}
    good, bad = answers(client, batch.output_file_id), answers(client, batch.error_file_id)
    colours = {
        name: opened(each["response"]["body"]["data"][0]["b64_json"]).getpixel((0, 0)) for name, each in good.items()
    }
    assert colours == {"by-file": (0, 255, 255), "by-url": (255, 255, 0)}
    statuses = {name: each["response"]["status_code"] for name, each in (good | bad).items()}
    assert statuses == {"by-file": 200, "by-url": 200, "refused": 400, "lost": 404}
    assert bad["refused"]["response"]["body"]["error"]["code"] == "moderation_blocked"


def test_batches_are_listed_the_newest_first(client: openai.OpenAI) -> None:
    source = {"image_url": data_url(picture())}
    names = [start_batch(client, [line("only", source)]).id for _ in range(3)]
    assert [each.id for each in client.batches.list(limit=2)][:3] == names[::-1]


def test_a_batch_under_way_is_cancelled(fake_api: RunningFake) -> None:
    fake_api.set(batch_s=3600)
    with fake_api.client() as client:
        started = start_batch(client, [line("only", {"image_url": data_url(picture())})])
        assert client.batches.cancel(started.id).status == "cancelling"
        batch = ended(client, started.id)
    assert (batch.status, batch.output_file_id) == ("cancelled", None)
    assert fake_api.billed() == 0


def test_the_models_that_answer_are_listed_with_their_last_day(client: openai.OpenAI) -> None:
    models = {model.id: model for model in client.models.list()}
    assert "gpt-image-2" in models
    assert "dall-e-2" not in models, "shut down on 2026-05-12"
    found = client.models.retrieve("gpt-image-2")
    assert found == models["gpt-image-2"]
    assert found.to_dict()["shutdown_date"] is None
    with pytest.raises(openai.NotFoundError, match="dall-e-2"):
        client.models.retrieve("dall-e-2")


def test_every_reply_has_a_name_that_the_books_know(fake_api: RunningFake) -> None:
    with fake_api.client() as client:
        raw = client.images.with_raw_response.edit(image=("red.png", picture(), "image/png"), prompt="make it warmer")
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.edit(image=("red.png", picture(), "image/png"), prompt="fake:refuse")
    (entry,) = fake_api.ledger()["entries"]
    assert raw.headers["x-request-id"] == entry["request_id"]
    assert refused.value.request_id not in (None, entry["request_id"])
    assert int(raw.headers["openai-processing-ms"]) >= 1
    assert abs(raw.parse().created - time.time()) < 60
