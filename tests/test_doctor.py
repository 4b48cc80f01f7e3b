"""What ``picturedesk doctor`` looks at."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from pipeline.clocks import ahead_s
from pipeline.desk import Desk
from pipeline.doctor import Check, Level, examine, open_unchecked
from pipeline.drawn_products import draw_logo
from tests import postgres
from tests.commands import run_command
from tests.fake_api.running import running_fake


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


def test_a_single_reference_that_nothing_is_looked_for_by_is_named(tmp_path: Path) -> None:
    """Its label is found by another picture, so that nobody would notice."""
    Desk.open(tmp_path, create=True).close()
    (tmp_path / "brand-kit" / "oskelby.png").write_bytes(draw_logo("oskelby"))
    Image.new("RGB", (200, 200), "red").save(tmp_path / "brand-kit" / "oskelby-2.png")
    check = checks(tmp_path)["brand kit"]
    assert check.level is Level.WARNING
    assert check.found.startswith("oskelby-2.png: has too little detail")


def checks(root: Path, *, live: bool = False) -> dict[str, Check]:
    with closing(open_unchecked(root)) as desk:
        return {check.name: check for check in examine(desk, live=live)}


def levels(found: dict[str, Check], *names: str) -> list[str]:
    return [found[name].level.value for name in names]


def test_settings_without_a_database_are_a_new_desk(tmp_path: Path) -> None:
    """Whoever writes the settings first, and then asks what is missing."""
    (tmp_path / "picturedesk.toml").write_text("detectors = []\n")
    assert levels(checks(tmp_path), "database", "tables", "database's clock") == ["ok"] * 3


def test_a_database_that_is_away_is_one_line_of_many(tmp_path: Path) -> None:
    Desk.open(tmp_path, create=True).close()
    settings = tmp_path / "picturedesk.toml"
    url = "postgresql://desk:hunter2@127.0.0.1:9/desk"
    settings.write_text(f'database = "{url}"\ndetectors = []\n[providers.local]\nfont = "/nowhere.ttf"\n')
    found = checks(tmp_path)
    assert levels(found, "database", "tables", "database's clock", "fonts") == ["wrong"] * 4
    assert levels(found, "pictures", "desk folder", "open files", "engine", "traces") == ["ok"] * 5
    assert "cannot be reached" in found["database"].found
    ran = run_command("--desk", str(tmp_path), "doctor", "--json")
    assert ran.exit_code == 1
    assert "hunter2" not in ran.stdout + ran.stderr
    assert {"name": "fonts", "level": "wrong", "ok": False, "found": found["fonts"].found} in json.loads(ran.stdout)[
        "checks"
    ]


def test_a_new_desk_is_well_and_nothing_of_the_looking_stays(tmp_path: Path, weights_cache: Path) -> None:
    found = checks(tmp_path)
    assert {name: check.found for name, check in found.items() if check.level is not Level.OK} == {}
    assert not list((tmp_path / "pictures").rglob("*.png"))
    with closing(Desk.open(tmp_path)) as desk, desk.db.write() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM memory").scalar_one() == 0
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    assert checks(tmp_path)["tables"].level is Level.WARNING, "and they are left as they are"
    assert checks(tmp_path)["tables"].level is Level.WARNING


def test_a_server_that_may_forget_what_was_paid_is_warned_of(tmp_path: Path) -> None:
    with postgres.empty_desk() as url:
        Desk.open(tmp_path, create=True).close()
        (tmp_path / "picturedesk.toml").write_text(f'database = "{url}"\ndetectors = []\n')
        found = checks(tmp_path)
        assert levels(found, "tables", "database's clock") == ["ok"] * 2
        # The tests' own server does without fsync.
        assert "with fsync off: what was just paid may be forgotten" in found["database"].found
        name = url.partition("?")[0].rpartition("/")[2]
        postgres.server().execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
        assert "with synchronous_commit off, fsync off" in checks(tmp_path)["database"].found


def test_a_provider_is_asked_only_live_and_its_clock_is_held_against_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Desk.open(tmp_path, create=True).close()
    (tmp_path / "picturedesk.toml").write_text('provider = "openai"\ndetectors = []\n')
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "set OPENAI_API_KEY" in checks(tmp_path)["provider openai"].found
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert (
        checks(tmp_path)["provider openai"].found
        == "its options can be read, and its key is set; with --live it is asked"
    )
    with running_fake() as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{fake.url}/v1")
        found = checks(tmp_path, live=True)["provider openai"]
    assert found.level is Level.OK
    assert found.found.endswith("and its clock agrees with this machine's")


@pytest.mark.parametrize(("said_s", "ahead"), [(-5, -5), (0, 0), (8, 0), (10, 0), (12.5, 2.5)])
def test_a_slow_answer_is_no_wrong_clock(said_s: float, ahead: float) -> None:
    asked = datetime(2026, 11, 22, tzinfo=UTC)
    answered, said = asked + timedelta(seconds=10), asked + timedelta(seconds=said_s)
    assert ahead_s(said, asked=asked, answered=answered) == ahead
