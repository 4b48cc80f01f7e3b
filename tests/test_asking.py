"""What another round would cost, and who could make it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline import review
from pipeline.asking import Mark, Offer, Question, Quote, Quotes
from pipeline.desk import Desk
from pipeline.errors import Forbidden, NotFound, UsageError
from pipeline.opening import open_provider
from pipeline.people import Person, local_person
from pipeline.pool import WorkPool
from pipeline.preparing import request_key, sent_content
from pipeline.settings import FILE_NAME
from pipeline.states import EditState, Role
from pipeline.store import ledger, reading
from pipeline.values import EditRequest, Instruction, PictureFile
from tests.attempts import begin
from tests.desks import HOSTILE, build_desk

ADA = local_person("ada")
HAT, MUG, BAG = 1, 2, 3
PROMPT = "make the hat green"


@pytest.fixture(scope="module")
def drawn_desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "desk"
    build_desk(root).close()
    return root


@pytest.fixture
def desk(drawn_desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """With a key for OpenAI, a compatible server that is named and has no address, and a price for OpenOctopus."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("OPENOCTOPUS_API_KEY", raising=False)
    root = tmp_path / "desk"
    shutil.copytree(drawn_desk, root)
    tables = (
        '[providers.openai]\nai_model = "gpt-image-2.5-flare"\nquality = "low"\nsize = "1024x1024"\n'
        "[providers.compatible]\nneeds_key = false\n"
        "[providers.openoctopus]\nprices = [{ picture = 0.05 }]\n"
    )
    (root / FILE_NAME).write_text(f'provider = "local"\n{tables}', "utf-8")
    opened = Desk.open(root)
    yield opened
    opened.close()


def quoted(desk: Desk, edit_id: int = HAT, *, by: Person = ADA, prompt: str = PROMPT, **more: Any) -> Quote:
    return Quotes(desk).quote(Question(edit_id=edit_id, prompt=prompt, **more), by=by)


def test_this_machine_asks_nothing_and_says_at_once_what_it_does_not_understand(desk: Desk) -> None:
    found = quoted(desk)
    assert (found.offer.provider, found.low_microusd, found.high_microusd) == ("local", 0, 0)
    assert found.problem == ""
    assert "was not understood" in quoted(desk, prompt="make it look expensive").problem


def test_a_service_has_its_price_from_least_to_most(desk: Desk) -> None:
    found = quoted(desk, provider="openai")
    assert found.offer.ai_model == "gpt-image-2.5-flare"
    assert found.low_microusd is not None
    assert found.high_microusd is not None
    assert 0 < found.low_microusd < found.high_microusd < 100_000
    assert found.problem == ""
    longer = quoted(desk, provider="openai", prompt=f"{PROMPT} and {'very ' * 500}bright")
    assert longer.high_microusd is not None
    assert longer.high_microusd > found.high_microusd


def test_those_that_cannot_be_asked_say_why_if_the_desk_names_them(desk: Desk) -> None:
    offers = {offer.provider: offer for offer in quoted(desk).offers}
    assert list(offers) == ["local", "openai", "openai-batch", "openoctopus", "compatible"]
    assert offers["local"] == Offer("local", takes_mask=True)
    assert offers["openai"] == Offer("openai", "gpt-image-2.5-flare", takes_mask=True, takes_markup=True)
    assert "OPENOCTOPUS_API_KEY" in offers["openoctopus"].problem
    assert not offers["openoctopus"].takes_mask
    assert "base_url is missing" in offers["compatible"].problem
    nobody = quoted(desk, provider="compatible")
    assert (nobody.high_microusd, nobody.problem, len(nobody.offers)) == (None, offers["compatible"].problem, 5)
    with pytest.raises(UsageError, match="nobody"):
        quoted(desk, provider="nobody")
    assert "OPENOCTOPUS_API_KEY" in quoted(desk, provider="openoctopus").problem


def test_whoever_takes_no_mask_can_be_asked_for_a_region_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENOCTOPUS_API_KEY", "k")
    found = quoted(desk, provider="openoctopus", mark=Mark.MASK)
    assert (found.problem, found.low_microusd, found.high_microusd) == ("", 50_000, 50_000)
    assert "no mask" in quoted(desk, provider="openoctopus", mark=Mark.MARKUP).problem


def test_what_is_left_of_the_budget_is_told_less_what_is_reserved(desk: Desk) -> None:
    batch = reading.edit(desk.db, HAT).asset.batch_id
    assert quoted(desk).batch_left_microusd is None
    ledger.set_budget(desk.db, batch, 1_000_000)
    spent, reserved = ledger.purse(desk.db, f"batch:{batch}")
    assert spent + reserved > 0
    found = quoted(desk, provider="openai")
    assert (found.batch_left_microusd, found.is_over_budget) == (1_000_000 - spent - reserved, False)
    ledger.set_budget(desk.db, batch, spent + reserved + 1)
    assert quoted(desk, provider="openai").is_over_budget
    assert not quoted(desk).is_over_budget  # free


def test_a_price_that_nobody_knows_is_no_price_and_stops_at_a_budget(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENOCTOPUS_API_KEY", "k")
    desk.settings.providers["openoctopus"].pop("prices")
    found = quoted(desk, provider="openoctopus")
    assert (found.low_microusd, found.high_microusd, found.problem, found.is_over_budget) == (None, None, "", False)
    ledger.set_budget(desk.db, reading.edit(desk.db, HAT).asset.batch_id, 10_000_000)
    assert "its price is not known" in quoted(desk, provider="openoctopus").problem


def test_an_equal_request_that_was_answered_costs_nothing(desk: Desk) -> None:
    """The very request that the runner would name: the key of the next round, as it writes it."""
    hat = reading.edit(desk.db, HAT)
    assert hat.asset.source is not None
    request = EditRequest(hat.title, PictureFile(hat.asset.source, Path()), Instruction(PROMPT))
    provider = open_provider(desk, "openai", WorkPool(1))
    content = sent_content(request, provider="openai", version=provider.version, variant="", round_number=2)
    assert not quoted(desk, provider="openai").is_reused
    with desk.db.write() as connection:
        changed = "UPDATE edit SET key = ? WHERE id = ?"
        connection.exec_driver_sql(changed, (request_key(content), MUG))
    found = quoted(desk, provider="openai")
    assert (found.is_reused, found.high_microusd) == (True, 0)
    assert not quoted(desk, provider="openai", mark=Mark.MASK).is_reused


def test_it_starts_from_the_output_that_is_on_the_screen(desk: Desk) -> None:
    outputs = reading.edit(desk.db, BAG).outputs
    assert quoted(desk, BAG, on_output=True, output_id=outputs[1].id).high_microusd == 0
    with pytest.raises(NotFound, match="no output 99"):
        quoted(desk, BAG, on_output=True, output_id=99)


def test_prices_are_for_whoever_may_ask(desk: Desk) -> None:
    for role in (Role.VIEWER, Role.REQUESTER):
        with pytest.raises(Forbidden):
            quoted(desk, by=Person("vic", role))
    bob = Person("bob", Role.REVIEWER)
    assert quoted(desk, by=bob).offer.provider == "local"
    review.escalate(desk, HAT, by=bob)
    with pytest.raises(Forbidden):
        quoted(desk, by=bob)


def test_changed_settings_count_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    quotes, question = Quotes(desk), Question(edit_id=HAT, prompt=PROMPT, provider="openai")
    before = quotes.quote(question, by=ADA)
    monkeypatch.setitem(desk.settings.providers["openai"], "quality", "high")
    after = quotes.quote(question, by=ADA)
    assert before.low_microusd is not None
    assert after.low_microusd is not None
    assert after.low_microusd > before.low_microusd


def test_what_a_lost_answer_may_have_cost_is_known_if_its_price_was(desk: Desk) -> None:
    review.reprompt(desk, HAT, by=ADA, prompt=PROMPT)
    following = reading.rounds(desk.db, reading.edit(desk.db, HAT).asset.id)[-1]
    for reserved, known in ((40_000, 40_000), (30_000, 70_000), (0, None)):
        attempt = begin(desk.db, following.id, owner="r", reserved_microusd=reserved, client_id=f"pd-{reserved}")
        told: dict[str, Any] = {"code": "timeout", "message": "no answer came", "is_lost": True}
        ledger.give_up(desk.db, attempt, EditState.IN_DOUBT, owner="r", **told)
        assert review.doubtful_microusd(desk, reading.edit(desk.db, following.id)) == known
        review.send_again(desk, following.id, by=ADA)


def test_a_hostile_prompt_has_a_price_as_any_other(desk: Desk) -> None:
    assert quoted(desk, prompt=HOSTILE, provider="openai").high_microusd
