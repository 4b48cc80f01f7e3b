"""What ``picturedesk doctor`` says of the detectors that a desk names."""

from contextlib import closing
from pathlib import Path

import pytest

from pipeline.desk import Desk
from pipeline.doctor import examine


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
