"""OpenOctopus: tasks that are asked for, addresses at once, and its own words for errors."""

from typing import Any

import httpx
import pytest

from tests.fake_api.drawing import data_url, decoded, picture
from tests.fake_api.running import RunningFake, eventually

MODEL = "openoctopus/gpt-image-2"
RED = data_url(picture(colour="red"))


class Caller:
    """Asks the service of ``fake``."""

    def __init__(self, fake: RunningFake, key: str = "ooq_test") -> None:
        self._fake = fake
        self._headers = {"authorization": f"Bearer {key}"}

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """The reply to one request."""
        return self._fake.ask(method, f"/octopus/v1/{path}", headers=self._headers, **request)

    def edit(self, prompt: str = "make it warmer", **others: Any) -> httpx.Response:
        """Ask for an edit of a red picture, in the form with tasks."""
        body = {"model": MODEL, "prompt": prompt, "input": {"images": [RED]}, **others}
        return self.ask("POST", "images/edits", json=body)

    def direct_edit(self, prompt: str = "make it warmer") -> httpx.Response:
        """The same in the form that answers at once."""
        return self.ask("POST", "images/edits", json={"model": MODEL, "prompt": prompt, "image": RED})

    def task(self, task_id: str) -> dict[str, Any]:
        """How a task stands."""
        found: dict[str, Any] = self.ask("GET", f"tasks/{task_id}").raise_for_status().json()
        return found

    def ended(self, asked: httpx.Response) -> dict[str, Any]:
        """The task that was taken on, once it is over."""
        assert asked.status_code == 202
        assert asked.json()["status"] == "queued"
        task = eventually(lambda: task if (task := self.task(asked.json()["id"]))["status"] != "queued" else None)
        assert task is not None
        return task


@pytest.fixture
def caller(fake_api: RunningFake) -> Caller:
    return Caller(fake_api)


@pytest.fixture(scope="module")
def any_caller(shared_fake: RunningFake) -> Caller:
    """For tests that set nothing."""
    return Caller(shared_fake)


def colour_at(url: str) -> Any:
    """Of the picture at an address, which needs no key."""
    return decoded(httpx.get(url, verify=False).raise_for_status().content).getpixel((0, 0))


def test_an_edit_is_a_task_that_ends_with_the_address_of_its_picture(any_caller: Caller) -> None:
    task = any_caller.ended(any_caller.edit())
    assert task["status"] == "succeeded"
    assert task["output_payload"]["format"] == "openoctopus.image.output.v1"
    (asset,) = task["output_payload"]["assets"]
    assert (asset["type"], asset["mimeType"], asset["index"]) == ("image", "image/png", 0)
    assert colour_at(asset["url"]) == (0, 255, 255), "the quick engine gives negatives"


def test_the_direct_form_answers_with_the_address_at_once(fake_api: RunningFake, caller: Caller) -> None:
    fake_api.set(octopus_mode="sync")
    answer = caller.direct_edit()
    assert answer.status_code == 200
    (output,) = answer.json()["data"]
    assert colour_at(output["url"]) == (0, 255, 255)


def test_an_edit_is_billed_at_the_price_that_was_set_in_both_forms(fake_api: RunningFake, caller: Caller) -> None:
    fake_api.set(octopus_microusd=70_000)
    caller.ended(caller.edit())
    fake_api.set(octopus_microusd=30_000, octopus_mode="sync")
    caller.direct_edit().raise_for_status()
    entries = fake_api.ledger()["entries"]
    assert [entry["cost_microusd"] for entry in entries] == [70_000, 30_000]
    assert [entry["usage"] for entry in entries] == [{"picture": 1}] * 2
    assert fake_api.billed() == 100_000


def test_each_form_drops_the_picture_of_the_other(fake_api: RunningFake, caller: Caller) -> None:
    """A top-level ``image`` is no part of the form with tasks, and ``input.images`` none of the direct one."""
    assert caller.direct_edit().json()["code"] == "invalid_request"
    fake_api.set(octopus_mode="sync")
    assert caller.edit().json()["code"] == "invalid_request"
    assert fake_api.billed() == 0


def test_an_empty_account_is_402(fake_api: RunningFake) -> None:
    answer = Caller(fake_api, "ooq_empty").edit()
    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_balance")
    assert answer.json()["retryable"] is False
    assert fake_api.billed() == 0


def test_a_wrong_key_is_401_for_edits_and_tasks(shared_fake: RunningFake) -> None:
    stranger = Caller(shared_fake, "ooq_wrong")
    for answer in (stranger.edit(), stranger.ask("GET", "tasks/some")):
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")


def test_an_unknown_task_is_not_found_with_200(any_caller: Caller) -> None:
    assert any_caller.task("0b5e") == {"id": "0b5e", "status": "not_found"}


def test_moderation_refuses_before_the_task_or_ends_it(fake_api: RunningFake, caller: Caller) -> None:
    before = caller.edit("fake:refuse")
    assert (before.status_code, before.json()["code"]) == (400, "content_policy_violation")
    after = caller.ended(caller.edit("fake:refuse-output"))
    assert (after["status"], after["error"]["code"]) == ("failed", "content_policy_violation")
    assert fake_api.ledger()["counts"] == {"refused": 2, "dropped": 0}
    assert fake_api.billed() == 0


def test_a_full_queue_may_be_asked_again(any_caller: Caller) -> None:
    answer = any_caller.edit("fake:overloaded")
    assert (answer.status_code, answer.json()["code"], answer.json()["retryable"]) == (503, "queue_unavailable", True)


def test_too_many_are_told_when_to_come_again(fake_api: RunningFake, caller: Caller) -> None:
    fake_api.set(images_per_minute=1)
    caller.ended(caller.edit())
    answer = caller.edit()
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 0 < float(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_dropped_edit_is_billed_all_the_same(fake_api: RunningFake, caller: Caller, mode: str) -> None:
    fake_api.set(octopus_mode=mode, octopus_microusd=50_000)
    with pytest.raises(httpx.RemoteProtocolError):
        caller.edit("fake:drop") if mode == "async" else caller.direct_edit("fake:drop")
    eventually(fake_api.billed)
    assert [entry["outcome"] for entry in fake_api.ledger()["entries"]] == ["dropped"]
    assert fake_api.billed() == 50_000


@pytest.mark.parametrize(
    ("others", "status", "code"),
    [
        ({"prompt": ""}, 400, "invalid_request"),
        ({"model": "gpt-9"}, 404, "model_not_available"),
        ({"input": {}}, 400, "invalid_request"),
        ({"input": 5}, 400, "invalid_request"),
        ({"input": {"images": [5]}}, 400, "invalid_request"),
        ({"input": {"images": ["data:image/png;base64,AAAA"]}}, 400, "invalid_request"),
        ({"input": {"images": ["http://example.com/a.png"]}}, 400, "invalid_image_url"),
    ],
)
def test_a_wrong_request_is_refused_in_its_own_words(
    any_caller: Caller, others: dict[str, Any], status: int, code: str
) -> None:
    answer = any_caller.edit(**others)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_what_is_not_there_is_said_in_its_own_words(any_caller: Caller) -> None:
    answer = any_caller.ask("GET", "nowhere")
    assert (answer.status_code, answer.json()["retryable"]) == (404, False)


def test_the_models_have_a_price(fake_api: RunningFake, caller: Caller) -> None:
    fake_api.set(octopus_microusd=70_000)
    models = caller.ask("GET", "models").json()["data"]
    assert {model["id"]: model["pricing"]["per_image"] for model in models}[MODEL] == 0.07
