"""Desks with something to make, and what became of it."""

import asyncio
import csv
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.desk import Desk
from pipeline.intake import take_in
from pipeline.records import EditRecord
from pipeline.runner import Runner, RunOutcome
from pipeline.states import EditState
from pipeline.store import reading
from pipeline.store.reading import EditFilter
from tests.desks import new_desk


def make_desk(tmp_path: Path, *prompts: str, **options: Any) -> Desk:
    """A desk with one row for each prompt, each on a picture of its own; no detector looks."""
    settings = {"provider": "scripted", "detectors": (), "workers": 1, **options}
    desk = new_desk(tmp_path / "desk", **settings)
    folder = tmp_path / "shop"
    folder.mkdir(exist_ok=True)
    with (folder / "shop.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["asset_id", "source", "prompt"])
        for number, prompt in enumerate(prompts):
            Image.new("RGB", (64, 48), (number * 20, 90, 160)).save(folder / f"{number}.png")
            writer.writerow([f"asset-{number}", f"{number}.png", prompt])
    take_in(desk, folder / "shop.csv", actor="ada")
    return desk


def run(desk: Desk) -> RunOutcome:
    return asyncio.run(Runner(desk).run())


def edits(desk: Desk) -> list[EditRecord]:
    return list(reading.each_edit(desk.db, EditFilter()))


def states(desk: Desk) -> list[EditState]:
    return [edit.state for edit in edits(desk)]
