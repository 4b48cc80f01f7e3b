"""A database, and rows to put in."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.store import Database, running
from pipeline.store.ledger import StoredOutput
from pipeline.store.loading import Loaded
from pipeline.values import Instruction, ManifestRow, PictureFacts
from tests import postgres
from tests.attempts import begin, finish
from tests.desks import load_rows, tables

PICTURE = PictureFacts("a" * 64, "image/png", (4, 3), 10)
SOURCE = PictureFacts("5" * 64, "image/png", (4, 3), 12)


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with _url(request.param, tmp_path) as url:
        database = Database(url)
        yield database
        database.close()


@contextmanager
def _url(kind: str, folder: Path) -> Iterator[str]:
    if kind == "postgresql":
        with postgres.empty_desk() as url:
            yield url
        return
    shutil.copyfile(tables(), folder / "desk.db")
    yield f"sqlite:///{folder / 'desk.db'}"


def row(name: str, *prompts: str, line: int = 2, **more: Any) -> ManifestRow:
    steps = tuple(Instruction(prompt) for prompt in prompts or ("make it square",))
    return ManifestRow(line=line, asset_id=name, variant="", source=f"/pictures/{name}.png", steps=steps, **more)


def load(db: Database, *rows: ManifestRow, stamp: str = "1") -> Loaded:
    return load_rows(db, rows, batch="shop", stamp=lambda _: stamp)


def produce(db: Database, edit_id: int, *, picture: PictureFacts = PICTURE, cost_microusd: int = 0) -> int:
    """Take an edit from queued to produced, as a run does; gives the attempt's id."""
    running.save_source(db, edit_id, original_sha256="0" * 64, source=SOURCE, facts={"file_name": "x.png"})
    attempt = begin(db, edit_id)
    finish(db, attempt, [StoredOutput(picture, "", {}, ())], cost_microusd=cost_microusd)
    return attempt
