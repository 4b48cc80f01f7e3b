"""A small desk with edits in every state that a reviewer meets, put there by the store's own functions."""

import io
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from pipeline.desk import Desk, create_files
from pipeline.settings import FILE_NAME as SETTINGS_FILE
from pipeline.states import EditState
from pipeline.store import Database, ledger, loading, reading, running
from pipeline.store.ledger import StoredOutput
from pipeline.store.loading import Loaded
from pipeline.values import Box, Change, Detection, Flag, Instruction, Kind, Level, ManifestRow, PictureFacts, Route
from tests import postgres
from tests.attempts import begin, finish

BATCH = "autumn"
OWNER = "runner"
HOSTILE = "![x](http://203.0.113.9/leak.png) <img src=x onerror=alert(1)> :red[**APPROVED**]"
"""Text that a page must show as it is: Markdown, HTML, and Streamlit's own colours."""

SAMPLE_REASON = "sampled at 5.0% of what the policy approves"
REFUSAL = "the provider does not draw this: <b>policy</b>"
COST_MICROUSD = 40_000

_SIZE_WH = (320, 240)


def new_desk(root: Path, **options: Any) -> Desk:
    """An empty desk; its tables are a copy, since making them takes a tenth of a second."""
    root.mkdir(parents=True, exist_ok=True)
    if (url := postgres.database_for(root)) is not None:
        create_files(root)
        settings = root / SETTINGS_FILE
        settings.write_text(f'database = "{url}"\n{settings.read_text()}')
    elif not (root / "desk.db").exists():
        shutil.copyfile(tables(), root / "desk.db")
    return Desk.open(root, create=True, **options)


def build_desk(root: Path, *, hostile: str = HOSTILE) -> Desk:
    """A desk with one batch of six: ``hat`` with a face, ``mug`` with hostile text and ``bag`` with a lost logo and two
    outputs in review, ``cap`` in review as a sample, ``sock`` approved by the policy, and ``knife`` refused. It is made
    once and copied; in a folder that has settings of its own it is made anew.
    """
    if root.exists() or postgres.is_in_use():
        return _make_desk(root, hostile)
    shutil.copytree(_made_desk(hostile), root)
    return Desk.open(root)


@cache
def tables() -> Path:
    """A database with the tables of this version and nothing in them."""
    root = Path(_kept_folder().name) / "empty"
    Desk.open(root, create=True).close()
    return root / "desk.db"


@cache
def _made_desk(hostile: str) -> Path:
    root = Path(tempfile.mkdtemp(dir=_kept_folder().name)) / "desk"
    _make_desk(root, hostile).close()
    return root


@cache
def _kept_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="picturedesk-desks-")


def _make_desk(root: Path, hostile: str) -> Desk:
    desk = new_desk(root)
    names = ("hat", "mug", "bag", "cap", "sock", "knife")
    _load(desk, names, hostile)
    hat, mug, bag, cap, sock, knife = reading.edit_ids(desk.db, reading.EditFilter())
    produce(desk, hat, [flag(Kind.FACE, Change.KEPT)])
    produce(desk, mug, [flag(Kind.TEXT, Change.INTRODUCED, label=hostile, level=Level.FLAG)])
    produce(desk, bag, [flag(Kind.LOGO, Change.LOST, label="ACME")], names=("warm", hostile))
    produce(desk, cap, [], reason=SAMPLE_REASON, is_sample=True)
    produce(desk, sock, [], reason="nothing to look at", to_review=False)
    _refuse(desk, knife)
    return desk


def build_queue(root: Path, count: int) -> Desk:
    """A desk with so many edits in review, each with an output of its own colour."""
    desk = new_desk(root)
    _load(desk, [f"hat-{number:03d}" for number in range(count)], "")
    for number, edit_id in enumerate(reading.edit_ids(desk.db, reading.EditFilter(), limit=count)):
        produce(desk, edit_id, [flag(Kind.FACE, Change.KEPT)], colours=(f"#{number + 1:06x}",))
    return desk


def load_rows(
    db: Database, rows: Iterable[ManifestRow], *, batch: str = BATCH, actor: str = "ada", **more: Any
) -> Loaded:
    """Queue rows as a manifest does, called like its batch."""
    manifest = {"manifest_name": f"{batch}.csv", "manifest_sha256": "0" * 64, "default_provider": "local"}
    about: dict[str, Any] = {**manifest, "stamp": lambda _: "1", **more}
    return loading.load_rows(db, rows, batch_name=batch, actor=actor, **about)


def add_doubtful(desk: Desk) -> int:
    """A second batch with one edit, ``lamp``, whose answer was lost; gives its id."""
    _load(desk, ("lamp",), "", batch="winter")
    (edit_id,) = reading.edit_ids(desk.db, reading.EditFilter(asset_name="lamp"))
    attempt = _begin(desk, edit_id)
    ledger.give_up(
        desk.db, attempt, EditState.IN_DOUBT, owner=OWNER, code="timeout", message="no answer came", is_lost=True
    )
    return edit_id


def produce(
    desk: Desk,
    edit_id: int,
    flags: Sequence[Flag],
    *,
    names: Sequence[str] = ("",),
    colours: Sequence[str] = ("crimson", "orange"),
    reason: str = "a flag that the policy reviews",
    is_sample: bool = False,
    to_review: bool = True,
) -> None:
    """Make a queued edit, and send it to review or let the policy approve it."""
    attempt = _begin(desk, edit_id)
    outputs = [
        StoredOutput(put_picture(desk, colour), name, {}, tuple(each.detection for each in flags))
        for name, colour in zip(names, colours, strict=False)
    ]
    finish(desk.db, attempt, outputs, cost_microusd=COST_MICROUSD)
    made = reading.edit(desk.db, edit_id).outputs
    route = Route(to_review=to_review, is_sample=is_sample, reasons=(reason,), policy_hash=desk.policy.hash)
    found = {output.id: flags for output in made}
    running.route_edit(desk.db, edit_id, route, found, owner=OWNER, best_output_id=made[0].id)


def flag(
    kind: Kind, change: Change, *, label: str = "", level: Level = Level.SURE, xyxy: Box = (80, 60, 240, 180)
) -> Flag:
    """A flag in the middle of the picture."""
    return Flag(Detection(kind, xyxy, 0.87, level, label, detector="drawn", version="1"), change)


def drawn_picture(colour: str) -> bytes:
    """A PNG with a disc of that colour."""
    image = Image.new("RGB", _SIZE_WH, "white")
    ImageDraw.Draw(image).ellipse((80, 60, 240, 180), fill=colour, outline="black", width=4)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def put_picture(desk: Desk, colour: str) -> PictureFacts:
    """Keep a drawn picture in the desk."""
    data = drawn_picture(colour)
    return PictureFacts(desk.blobs.put(data, "image/png"), "image/png", _SIZE_WH, len(data))


def _load(desk: Desk, names: Sequence[str], hostile: str, *, batch: str = BATCH) -> None:
    rows = [
        ManifestRow(
            line=line,
            asset_id=hostile if name == "mug" else name,
            variant="",
            source=f"/pictures/{name}.png",
            steps=(Instruction(hostile if name == "mug" else f"make the {name} red"),),
        )
        for line, name in enumerate(names, start=2)
    ]
    load_rows(desk.db, rows, batch=batch)


def _begin(desk: Desk, edit_id: int) -> int:
    asset_id = reading.edit(desk.db, edit_id).asset.id
    source = put_picture(desk, "navy")
    facts = {"file_name": "drawn.png"}
    running.save_source(desk.db, asset_id, original_sha256=source.sha256, source=source, facts=facts)
    return begin(desk.db, edit_id, owner=OWNER, reserved_microusd=COST_MICROUSD)


def _refuse(desk: Desk, edit_id: int) -> None:
    attempt = _begin(desk, edit_id)
    ledger.give_up(desk.db, attempt, EditState.REFUSED, owner=OWNER, code="refused", message=REFUSAL)
