"""A batch from pictures, URLs or a manifest: estimated first, then started."""

import io
import os
import time
from pathlib import Path

import pytest
from PIL import Image

from pipeline import batches, uploads
from pipeline.desk import Desk
from pipeline.errors import Forbidden, ManifestError, RecipeError, UsageError
from pipeline.people import Person
from pipeline.states import Role
from pipeline.store import reading
from pipeline.store.reading import EditFilter
from pipeline.uploads import Brought, Wish

ADA = Person("ada", Role.REQUESTER)
ANN = Person("ann", Role.APPROVER)
VIC = Person("vic", Role.VIEWER)
BLUE = Wish(prompt="make it blue", provider="openai", size="1024x1024", quality="medium", ai_model="gpt-image-2")


def picture(name: str, colour: str = "teal") -> Brought:
    buffer = io.BytesIO()
    Image.new("RGB", (512, 512), colour).save(buffer, "PNG")
    buffer.seek(0)
    return name, buffer


def text(name: str, words: str) -> Brought:
    return name, io.BytesIO(words.encode())


def sources(desk: Desk) -> list[str]:
    return [edit.asset.source_uri for edit in reading.each_edit(desk.db, EditFilter())]


def test_pictures_are_estimated_by_their_own_size_and_nothing_is_queued_before_the_start(desk: Desk) -> None:
    """gpt-image-2, medium, 1024x1024: 1,756 tokens out at $30 a million, and 512 x 512 in, 256 tokens at $8; each."""
    draft = uploads.draft_pictures(desk, "hats", [picture("red hat.PNG"), picture("cap.png")], BLUE, by=ADA)
    quote = uploads.estimate(desk, draft, by=ADA)
    least = 2 * (1_756 * 30 + 256 * 8)
    assert (quote.good, quote.bad, quote.edits, quote.unchanged, quote.is_known) == (2, 0, 2, 0, False)
    assert least <= quote.low_microusd <= quote.high_microusd < 1.1 * least
    assert reading.batch_names(desk.db) == []
    intake = uploads.start(desk, draft, budget_usd=0.5, by=ADA)
    assert intake.loaded.added == 2
    hat, cap = reading.each_edit(desk.db, EditFilter())
    assert (hat.asset.name, cap.asset.name) == ("red hat", "cap")
    assert (hat.provider, hat.ai_model, hat.size, hat.quality) == ("openai", "gpt-image-2", "1024x1024", "medium")
    status = batches.status_of(desk, "hats")
    assert (status.budget_microusd, status.batch.created_by) == (500_000, "ada")
    assert not draft.folder.exists()
    with pytest.raises(UsageError, match="bring it again"):
        uploads.start(desk, draft, budget_usd=None, by=ADA)


def test_what_the_batch_has_already_is_not_made_again_and_no_file_is_overwritten(desk: Desk) -> None:
    first = uploads.draft_pictures(desk, "hats", [picture("hat.png")], BLUE, by=ADA)
    uploads.start(desk, first, budget_usd=None, by=ADA)
    (before,) = sources(desk)
    more = [picture("hat.png"), picture("cap.png", "red")]
    second = uploads.draft_pictures(desk, "hats", more, BLUE, by=ADA)
    quote = uploads.estimate(desk, second, by=ADA)
    assert (quote.good, quote.unchanged, quote.edits, quote.is_known) == (2, 1, 1, True)
    assert uploads.start(desk, second, budget_usd=None, by=ADA).loaded.unchanged == 1
    other = uploads.draft_pictures(desk, "hats", [picture("hat.png", "gold")], BLUE, by=ADA)
    assert uploads.estimate(desk, other, by=ADA).edits == 1
    assert uploads.start(desk, other, budget_usd=None, by=ADA).loaded.renewed == 1
    assert Image.open(before).getpixel((0, 0)) == (0, 128, 128)
    hat, cap = sorted(set(sources(desk)), reverse=True)
    assert hat != before
    assert Path(hat).is_file()
    assert Path(cap).is_file()


def test_a_list_of_urls_is_estimated_without_a_look_at_them(desk: Desk) -> None:
    """The suite refuses every address, so a look would fail."""
    urls = "https://shop.example/a/hat.jpg\n\n# from last week\nhttp://shop.example/cap.jpg\nhttps://shop.example/b/hat.jpg"
    draft = uploads.draft_urls(desk, "list", urls, BLUE, by=ADA)
    quote = uploads.estimate(desk, draft, by=ADA)
    assert (quote.good, quote.bad, quote.edits) == (2, 1, 2)
    (problem,) = quote.problems
    assert (problem.lines, problem.column, problem.found) == ("4", "source", "http://shop.example/cap.jpg")
    assert "https" in problem.expected
    with pytest.raises(ManifestError):
        uploads.start(desk, draft, budget_usd=None, by=ADA)
    assert sources(desk) == []
    assert uploads.start(desk, draft, budget_usd=None, by=ADA, skip_bad=True).loaded.added == 2
    names = [edit.asset.name for edit in reading.each_edit(desk.db, EditFilter())]
    assert names[0] == "hat"
    assert names[1].startswith("hat-")


def test_a_manifest_comes_with_its_pictures(desk: Desk) -> None:
    rows = "asset_id,source,prompt\nhat,hat.png,\ncap,missing.png,make it red\nmug,https://shop.example/mug.jpg,\n"
    brought = [picture("hat.png"), text("notes.txt", "no picture")]
    draft = uploads.draft_manifest(desk, "shop", text("shop.csv", rows), brought, Wish(prompt="make it blue"), by=ADA)
    quote = uploads.estimate(desk, draft, by=ADA)
    assert (quote.good, quote.bad) == (2, 1)
    assert [(each.lines, each.found) for each in quote.problems] == [("3", "missing.png")]
    uploads.start(desk, draft, budget_usd=None, by=ADA, skip_bad=True)
    hat, mug = reading.each_edit(desk.db, EditFilter())
    assert hat.asset.source_uri == str(desk.root / "uploads" / "shop" / "hat.png")
    assert Path(hat.asset.source_uri).is_file()
    assert (hat.instruction.prompt, mug.asset.source_uri) == ("make it blue", "https://shop.example/mug.jpg")
    assert reading.batch_named(desk.db, "shop").manifest_name == "shop.csv"


def test_a_recipe_is_filled_with_its_parameters_and_one_problem_of_many_rows_is_said_once(desk: Desk) -> None:
    wish = Wish(recipe="catalogue-standardise", parameters={"background": "#f4f4f4"})
    draft = uploads.draft_pictures(desk, "hats", [picture(f"{n}.png") for n in range(8)], wish, by=ADA)
    assert uploads.estimate(desk, draft, by=ADA).edits == 8
    uploads.start(desk, draft, budget_usd=None, by=ADA)
    assert "plain #f4f4f4 background" in next(reading.each_edit(desk.db, EditFilter())).instruction.prompt
    bad = Wish(recipe="catalogue-standardise", parameters={"background": "7"})
    with pytest.raises(RecipeError, match="background"):
        uploads.draft_pictures(desk, "hats", [picture("a.png")], bad, by=ADA)
    wrong = Wish(prompt="make it blue", size="big")
    draft = uploads.draft_pictures(desk, "more", [picture(f"{n}.png") for n in range(8)], wrong, by=ADA)
    quote = uploads.estimate(desk, draft, by=ADA)
    assert (quote.good, quote.bad) == (0, 8)
    assert [(each.lines, each.found) for each in quote.problems] == [("1, 2, 3, 4, 5 and 3 more", "big")]


def test_what_is_missing_is_said_and_nothing_is_kept(desk: Desk) -> None:
    for name, wish, said in (
        (" ", BLUE, "no name"),
        ("hats", Wish(), "nothing is said of what to do"),
        ("hats", Wish(prompt="x", recipe="outpaint"), "one of the two"),
        ("hats", Wish(recipe="none-such"), "no recipe is called"),
    ):
        with pytest.raises(UsageError, match=said):
            uploads.draft_pictures(desk, name, [picture("hat.png")], wish, by=ADA)
    with pytest.raises(UsageError, match="no picture"):
        uploads.draft_pictures(desk, "hats", [], BLUE, by=ADA)
    with pytest.raises(UsageError, match="no URL"):
        uploads.draft_urls(desk, "hats", "# nothing\n", BLUE, by=ADA)
    with pytest.raises(UsageError, match=r"ends in '\.xls'"):
        uploads.draft_manifest(desk, "hats", text("shop.xls", ""), [], BLUE, by=ADA)
    assert list((desk.root / "uploads" / ".drafts").glob("*")) == []


def test_a_name_from_outside_stays_in_its_folder(desk: Desk) -> None:
    draft = uploads.draft_pictures(desk, "../../etc", [picture("../../../evil.png")], BLUE, by=ADA)
    uploads.start(desk, draft, budget_usd=None, by=ADA)
    (source,) = sources(desk)
    assert Path(source).is_relative_to(desk.root / "uploads")


def test_a_draft_that_nobody_started_is_swept_after_a_day(desk: Desk) -> None:
    draft = uploads.draft_pictures(desk, "hats", [picture("hat.png")], BLUE, by=ADA)
    yesterday = time.time() - 25 * 3600
    os.utime(draft.folder, (yesterday, yesterday))
    uploads.draft_pictures(desk, "caps", [picture("cap.png")], BLUE, by=ADA)
    assert not draft.folder.exists()
    with pytest.raises(UsageError, match="older than a day"):
        uploads.estimate(desk, draft, by=ADA)


def test_a_viewer_starts_nothing_and_a_requester_does_not_raise_a_budget(desk: Desk) -> None:
    with pytest.raises(Forbidden, match="requester"):
        uploads.draft_pictures(desk, "hats", [picture("hat.png")], BLUE, by=VIC)
    draft = uploads.draft_pictures(desk, "hats", [picture("hat.png")], BLUE, by=ADA)
    for act in (
        lambda: uploads.estimate(desk, draft, by=VIC),
        lambda: uploads.start(desk, draft, budget_usd=1, by=VIC),
    ):
        with pytest.raises(Forbidden):
            act()
    uploads.start(desk, draft, budget_usd=1, by=ADA)
    more = uploads.draft_pictures(desk, "hats", [picture("cap.png")], BLUE, by=ADA)
    with pytest.raises(Forbidden, match="approver"):
        uploads.start(desk, more, budget_usd=2, by=ADA)
    assert len(sources(desk)) == 1
    uploads.start(desk, more, budget_usd=2, by=ANN)
    assert batches.status_of(desk, "hats").budget_microusd == 2_000_000
