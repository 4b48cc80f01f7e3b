"""A desk on which three people decided on some 300 edits within three weeks: what insights and pictures of pages need.

The store's and the review's own functions put everything there, at moments of a clock set by hand, so purses, charges
and the history agree with each other: ``decided_desk(folder)``, or ``python -m tests.decided_desk FOLDER``.
"""

import io
import random
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from pipeline import review
from pipeline.desk import Desk, create_files
from pipeline.people import Person
from pipeline.records import EditRecord
from pipeline.review import Screen
from pipeline.routing import FILE_NAME as POLICY_FILE
from pipeline.settings import FILE_NAME as SETTINGS_FILE
from pipeline.states import EditState, Role
from pipeline.store import access, ledger, reading, running
from pipeline.store.ledger import Caps, Sending, StoredOutput
from pipeline.values import Change, Detection, Flag, Instruction, Kind, Level, ManifestRow, PictureFacts, Route
from tests.clock import Clock, set_clock
from tests.desks import load_rows

ADA = Person("ada@example.com", Role.APPROVER)
GRACE = Person("grace@example.com", Role.REVIEWER)
EDSGER = Person("edsger@example.com", Role.REVIEWER)

DAYS = 21
CAP_USD = 15.0
PRODUCTS = ("mug", "bottle", "vase", "bowl", "lamp", "carton", "tote")

_OWNER = "runner-1"
_SIZE_WH = (512, 512)
_POLICY_DAYS = {7: "approvals = 2", 14: "approvals = 1"}
"""Within the second week, two people must approve an edit."""

_GROUNDS = {"replace-background": "#ffffff", "catalogue-standardise": "#f4f4f2", "object-cleanup": "#d9dfe5"}


@dataclass(frozen=True, slots=True)
class _Line:
    """What a third of the desk is made of.

    Attributes:
        batch: Its batch.
        day: When that is loaded.
        recipe: Its recipe.
        prompt: Its instruction.
        provider: Its provider.
        ai_model: Its provider's model.
        cost_microusd: What a round costs.
        good: Share of outputs that people like.
        kind: What is flagged on bad outputs, and seldom on good ones.
        change: What the edit did to it.
        label: What is read or recognised.
        count: How many assets.
    """

    batch: str
    day: int
    recipe: str
    prompt: str
    provider: str
    ai_model: str
    cost_microusd: int
    good: float
    kind: Kind
    change: Change
    label: str
    count: int


_FLARE, _MINI, _OCTOPUS = "gpt-image-2.5-flare", "gpt-image-2-mini", "octopus-edit-1"
_WHITE, _LINE, _CLEAN = "Put the item on a white ground", "Write 'Now in autumn' on it", "Remove the cable"
_MARK, _SQUARE = "Put the logo in the corner", "Centre the item on a square"
_LINES = (
    _Line(
        "autumn-catalogue",
        0,
        "replace-background",
        _WHITE,
        "openai",
        _FLARE,
        61_000,
        0.86,
        Kind.TEXT,
        Change.ALTERED,
        "ACME",
        62,
    ),
    _Line(
        "autumn-catalogue",
        0,
        "catalogue-standardise",
        _SQUARE,
        "local",
        "",
        0,
        0.93,
        Kind.QUALITY,
        Change.INTRODUCED,
        "smeared",
        46,
    ),
    _Line(
        "autumn-adverts",
        5,
        "render-text",
        _LINE,
        "openai",
        _MINI,
        34_000,
        0.52,
        Kind.TEXT,
        Change.INTRODUCED,
        "Nov in autunm",
        44,
    ),
    _Line(
        "autumn-adverts",
        5,
        "render-text",
        _LINE,
        "openoctopus",
        _OCTOPUS,
        20_000,
        0.7,
        Kind.TEXT,
        Change.INTRODUCED,
        "SALE",
        40,
    ),
    _Line(
        "autumn-adverts",
        5,
        "logo-on-product",
        _MARK,
        "openoctopus",
        _OCTOPUS,
        20_000,
        0.74,
        Kind.LOGO,
        Change.INTRODUCED,
        "Quillon",
        32,
    ),
    _Line(
        "support-october",
        11,
        "object-cleanup",
        _CLEAN,
        "openai",
        _FLARE,
        61_000,
        0.78,
        Kind.FACE,
        Change.ALTERED,
        "",
        40,
    ),
    _Line(
        "support-october",
        11,
        "object-cleanup",
        _CLEAN,
        "openoctopus",
        _OCTOPUS,
        20_000,
        0.6,
        Kind.FACE,
        Change.LOST,
        "",
        36,
    ),
)
_REASONS = {
    Kind.TEXT: ("garbled text", "garbled text", "wrong edit"),
    Kind.LOGO: ("logo", "logo", "source changed"),
    Kind.FACE: ("face", "artefacts", "source changed"),
    Kind.QUALITY: ("artefacts", "artefacts", "other"),
}


def decided_desk(root: Path, *, until: datetime | None = None, in_detail: bool = False) -> Desk:
    """The desk: three batches of five recipes at three providers, all but the last day's edits decided.

    Args:
        root: Its folder; there must be no desk in it.
        until: The evening of its last day; today's if None. All else is the same at every call.
        in_detail: Draw the sample batch's products, which takes some 12 s, instead of simple ones.
    """
    create_files(root)
    settings = root / SETTINGS_FILE
    text = settings.read_text("utf-8").replace("# monthly_cap_usd = 500.0", f"monthly_cap_usd = {CAP_USD}")
    settings.write_text(text, "utf-8")
    last = (until or datetime.now(UTC)).astimezone(UTC).replace(hour=8, minute=0, second=0, microsecond=0)
    desk = Desk.open(root)
    with set_clock(last - timedelta(days=DAYS - 1)) as clock:
        for person in (ADA, GRACE, EDSGER):
            access.set_role(desk.db, person.name, person.role, actor="admin@example.com")
        _Weeks(desk, clock, _draw(desk, in_detail=in_detail)).live()
    return desk


class _Weeks:
    """Morning by morning edits are made, and through the day people decide on them."""

    def __init__(self, desk: Desk, clock: Clock, pictures: dict[tuple[str, str], PictureFacts]) -> None:
        self._desk = desk
        self._clock = clock
        self._pictures = pictures
        self._chance = random.Random(20)
        self._lines: dict[int, _Line] = {}
        self._is_good: dict[int, bool] = {}
        self._waiting: list[int] = []
        self._number = 0

    def live(self) -> None:
        """All the days."""
        first = self._clock.moment
        for day in range(DAYS):
            self._clock.moment = first + timedelta(days=day)
            self._set_policy(day)
            self._load(day)
            is_weekend = day % 7 in (5, 6)
            if is_weekend:
                continue
            self._make(34)
            if day < DAYS - 1:
                self._decide(10)
        self._make(8)

    def _set_policy(self, day: int) -> None:
        file = self._desk.root / POLICY_FILE
        if day in _POLICY_DAYS:
            before = next(line for line in file.read_text("utf-8").splitlines() if line.startswith("approvals"))
            file.write_text(file.read_text("utf-8").replace(before, _POLICY_DAYS[day]), "utf-8")
            self._desk.__dict__.pop("policy", None)  # read again

    def _load(self, day: int) -> None:
        for line in (each for each in _LINES if each.day == day):
            names = [f"{PRODUCTS[n % len(PRODUCTS)]}-{line.recipe.split('-')[0]}-{n:03d}" for n in range(line.count)]
            instruction = Instruction(line.prompt, recipe=line.recipe)
            rows = [
                ManifestRow(
                    line=number,
                    asset_id=name,
                    variant=line.provider,
                    source=f"/pictures/{name}.png",
                    steps=(instruction,),
                    provider=line.provider,
                    ai_model=line.ai_model or None,
                )
                for number, name in enumerate(names, start=2)
            ]
            load_rows(self._desk.db, rows, batch=line.batch, actor=ADA.name)

    def _make(self, count: int) -> None:
        queued = reading.EditFilter(states=frozenset({EditState.QUEUED}))
        ids = reading.edit_ids(self._desk.db, queued)
        edits = reading.edits(self._desk.db, self._chance.sample(ids, min(count, len(ids))))
        for edit in sorted(edits, key=lambda each: (-each.round, each.id)):
            self._clock.go_on(seconds=self._chance.uniform(9, 40))
            with self._desk.db.group():
                self._make_one(edit, _line_of(edit))

    def _make_one(self, edit: EditRecord, line: _Line) -> None:
        db, source = self._desk.db, self._pictures[edit.asset.name.split("-")[0], ""]
        facts = {"file_name": Path(edit.asset.source_uri).name}
        running.save_source(db, edit.asset.id, original_sha256=source.sha256, source=source, facts=facts)
        self._number += 1
        reserved = line.cost_microusd * 2
        name = f"pd-{edit.id}-{self._number}"
        sending = Sending(edit.asset.batch_id, name, name, {"prompt": line.prompt}, reserved, line.ai_model)
        attempt = ledger.begin(db, edit.id, sending, owner=_OWNER, caps=Caps())
        assert attempt is not None
        if line.provider != "local" and self._number in (61, 190):
            said = "no answer came"
            ledger.give_up(db, attempt, EditState.IN_DOUBT, owner=_OWNER, code="timeout", message=said, is_lost=True)
        elif line.provider != "local" and self._number % 70 == 0:
            said = "the provider does not draw this"
            ledger.give_up(db, attempt, EditState.REFUSED, owner=_OWNER, code="refused", message=said)
        else:
            self._finish(edit, attempt, line)

    def _finish(self, edit: EditRecord, attempt: int, line: _Line) -> None:
        db = self._desk.db
        is_good = self._chance.random() < min(0.95, line.good + 0.12 * (edit.round - 1))
        picture = self._pictures[edit.asset.name.split("-")[0], line.recipe if is_good else f"{line.recipe} bad"]
        is_unpriced = line.provider == "openoctopus" and self._number % 90 == 0
        cost = None if is_unpriced else round(line.cost_microusd * self._chance.uniform(0.9, 1.1))
        usage = {"image_in": 1_100, "text_in": 40, "image_out": 4_160} if line.provider == "openai" else {}
        (output_id,) = ledger.finish(
            db,
            attempt,
            owner=_OWNER,
            outputs=[StoredOutput(picture, "", {}, ())],
            request_id=f"req-{self._number}",
            usage=usage,
            cost_microusd=cost,
            ai_model=line.ai_model,
        )
        flags = self._flags(line, is_good=is_good)
        is_sample = not flags and self._chance.random() < 0.3
        to_review = bool(flags) or is_sample
        route = Route(to_review, is_sample, ("what the policy says",), self._desk.policy.hash)
        running.route_edit(db, edit.id, route, {output_id: flags}, owner=_OWNER, best_output_id=output_id)
        if to_review:
            self._lines[edit.id], self._is_good[edit.id] = line, is_good
            self._waiting.append(edit.id)

    def _flags(self, line: _Line, *, is_good: bool) -> list[Flag]:
        chance = self._chance.random()
        found = []
        if chance < (0.5 if is_good else 0.85):
            level = Level.SURE if chance < (0.1 if is_good else 0.7) else Level.FLAG
            score = round(self._chance.uniform(0.5, 0.98), 2)
            detector = {Kind.TEXT: "text", Kind.LOGO: "logos", Kind.FACE: "faces"}.get(line.kind, "quality")
            box = (150.0, 300.0, 380.0, 380.0)
            found.append(Flag(Detection(line.kind, box, score, level, line.label, detector, "1"), line.change))
        if self._chance.random() < 0.25:
            kept = Detection(Kind.LOGO, (210.0, 210.0, 310.0, 290.0), 0.83, Level.SURE, "Sunrise", "logos", "1")
            found.append(Flag(kept, Change.KEPT))
        return found

    def _decide(self, count: int) -> None:
        """People take turns of an hour; what was escalated or needs a second person is taken up the same day."""
        for hour, person in ((1, GRACE), (3, EDSGER), (5, ADA), (7, GRACE)):
            self._clock.moment = self._clock.moment.replace(hour=8 + hour, minute=self._chance.randrange(9))
            for edit_id in self._waiting[:count]:
                self._clock.go_on(seconds=self._chance.expovariate(1 / 14) + 3)
                edit = reading.edit(self._desk.db, edit_id)
                if edit.state is not EditState.IN_REVIEW:
                    self._waiting.remove(edit_id)
                elif self._may(edit, person):
                    self._decide_on(edit, person)

    def _may(self, edit: EditRecord, person: Person) -> bool:
        """Whether it is this person's turn: Ada leaves second opinions to the others, so that she can have the last."""
        if edit.escalated_by or edit.approvals:
            return (person is ADA) == bool(edit.escalated_by) and person.name not in edit.approvals
        return True

    def _decide_on(self, edit: EditRecord, person: Person) -> None:
        line, desk = self._lines[edit.id], self._desk
        seconds = {GRACE.name: 4.2, EDSGER.name: 7.5, ADA.name: 5.6}[person.name]
        screen = Screen(shown_ms=round(1_000 * (1.2 + self._chance.expovariate(1 / seconds))))
        errs = self._chance.random() < {GRACE.name: 0.05, EDSGER.name: 0.13, ADA.name: 0.02}[person.name]
        likes = self._is_good[edit.id] != errs
        chance = self._chance.random()
        if chance < 0.08 and not edit.escalated_by and person is not ADA:
            review.escalate(desk, edit, by=person, screen=screen, note="is this still our mug?")
        elif likes:
            review.accept(desk, edit, by=person, screen=screen)
        elif chance < 0.55 or edit.approvals or edit.round > 2:
            review.reject(desk, edit, by=person, screen=screen, reason=self._chance.choice(_REASONS[line.kind]))
        else:
            prompt = f"{line.prompt}; leave everything else as it is"
            review.reprompt(desk, edit, by=person, screen=screen, prompt=prompt)
        if self._chance.random() < 0.04:
            self._clock.go_on(seconds=4)
            review.undo(desk, edit.id, by=person)


def _line_of(edit: EditRecord) -> _Line:
    """What an edit is made of; a later round is made as the first was."""
    for line in _LINES:
        is_its = line.batch == edit.asset.batch and line.recipe.split("-")[0] == edit.asset.name.split("-")[1]
        if is_its and line.provider == edit.asset.variant:
            return line
    raise AssertionError(f"no line has edit {edit.id}")


def _draw(desk: Desk, *, in_detail: bool) -> dict[tuple[str, str], PictureFacts]:
    """By product and recipe: the source under "", the recipe's output, and a bad one."""
    found = {}
    recipes = sorted({line.recipe for line in _LINES})
    for number, product in enumerate(PRODUCTS):
        item = _detailed(product) if in_detail else _simple(number)
        ground = _ground(item)
        found[product, ""] = _kept(desk, item)
        for recipe in recipes:
            edited = _edited(item, ground, recipe)
            found[product, recipe] = _kept(desk, edited)
            found[product, f"{recipe} bad"] = _kept(desk, _spoilt(edited))
    return found


def _detailed(product: str) -> Image.Image:
    from pipeline.drawn_products import draw_product

    return Image.open(io.BytesIO(draw_product(product))).convert("RGB").resize(_SIZE_WH, Image.Resampling.LANCZOS)


def _simple(number: int) -> Image.Image:
    image = Image.new("RGB", _SIZE_WH, "#b9c4c9")
    pen = ImageDraw.Draw(image)
    colour = ("#a23b2a", "#2a5da2", "#3d7a4b", "#caa53d", "#6a4c93", "#b5734a", "#4a4a4a")[number]
    pen.ellipse((120, 400, 400, 440), fill="#98a3a8")
    pen.rounded_rectangle((150 + 8 * number, 110, 362 - 8 * number, 420), 30 + 12 * number, fill=colour)
    pen.rounded_rectangle((210, 210, 310, 290), 10, fill="#f3efe4")
    pen.arc((225, 222, 295, 278), 180, 360, fill="#303030", width=8)
    return image


def _ground(item: Image.Image) -> Image.Image:
    """Where the item is not, as a mask; found on a small copy."""
    small = item.resize((96, 96))
    for corner in ((1, 1), (94, 1), (1, 94), (94, 94)):
        ImageDraw.floodfill(small, corner, (255, 0, 255), thresh=36)
    is_ground = (np.asarray(small) == (255, 0, 255)).all(axis=2)
    return Image.fromarray((is_ground * 255).astype(np.uint8)).resize(item.size, Image.Resampling.BICUBIC)


def _edited(item: Image.Image, ground: Image.Image, recipe: str) -> Image.Image:
    """The item as the recipe makes it."""
    image = item.copy()
    pen = ImageDraw.Draw(image)
    if recipe in _GROUNDS:
        image.paste(_GROUNDS[recipe], mask=ground)
    elif recipe == "render-text":
        pen.text((256, 60), "Now in autumn", font_size=44, fill="#20262a", anchor="mm")
    else:
        pen.ellipse((400, 30, 480, 110), outline="#20262a", width=8)
    return image


def _spoilt(image: Image.Image) -> Image.Image:
    """The same with a label that nobody asked for, where the flags are."""
    spoilt = image.copy()
    pen = ImageDraw.Draw(spoilt)
    pen.rounded_rectangle((150, 300, 380, 380), 12, fill="#e8e2d0")
    pen.text((265, 340), "Nov in autunm", font_size=30, fill="#7a1f16", anchor="mm")
    return spoilt


def _kept(desk: Desk, image: Image.Image) -> PictureFacts:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88)
    data = buffer.getvalue()
    return PictureFacts(desk.blobs.put(data, "image/jpeg"), "image/jpeg", image.size, len(data))


if __name__ == "__main__":
    decided_desk(Path(sys.argv[1]), in_detail=True).close()
