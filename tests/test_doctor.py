"""What ``picturedesk doctor`` looks at."""

from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from pipeline.desk import Desk
from pipeline.doctor import examine
from pipeline.drawn_products import draw_logo


def said_of_detectors(root: Path, *detectors: str) -> tuple[bool, str]:
    with closing(Desk.open(root, create=True, detectors=detectors)) as desk:
        (check,) = (each for each in examine(desk) if each.name == "detectors")
    return check.is_ok, check.found


def test_a_detector_without_its_key_is_named_with_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    is_ok, found = said_of_detectors(tmp_path, "faces", "google")
    assert not is_ok
    assert "detector google: there is no key; set GOOGLE_API_KEY in the environment" in found


def test_detectors_that_can_work_are_listed_and_no_key_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "google-key-1")
    assert said_of_detectors(tmp_path, "faces", "google") == (True, "faces, google")


def kit_check(root: Path) -> tuple[bool, str]:
    desk = Desk.open(root, create=True)
    try:
        return next((check.is_ok, check.found) for check in examine(desk) if check.name == "brand kit")
    finally:
        desk.close()


def test_a_reference_too_simple_to_be_found_is_said_until_its_name_is_listed(tmp_path: Path) -> None:
    Desk.open(tmp_path, create=True).close()
    (tmp_path / "brand-kit" / "oskelby.png").write_bytes(draw_logo("oskelby"))
    assert kit_check(tmp_path)[0]
    Image.new("RGB", (200, 200), "red").save(tmp_path / "brand-kit" / "redsquare.png")
    is_ok, found = kit_check(tmp_path)
    assert not is_ok
    assert found.startswith("redsquare: too simple")
    (tmp_path / "brand-kit" / "words.txt").write_text("Red Square\n")
    assert kit_check(tmp_path)[0]
