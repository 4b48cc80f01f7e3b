"""The commands ``picturedesk destinations``."""

import json
from pathlib import Path

from tests.commands import run_command
from tests.destinations.drawn import encoded, shot


def test_destinations_are_listed_and_one_is_shown_with_its_sources(tmp_path: Path) -> None:
    desk = ("--desk", str(tmp_path / "none"))
    listed = run_command(*desk, "destinations")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        *("amazon-main", "ebay", "generic", "google-merchant", "shopify", "walmart", "zalando")
    ]
    shown = run_command(*desk, "destinations", "ebay").stdout
    assert '"Photos must be at least 500 pixels on the longest side."' in shown
    assert "official, read 2026-11-21: https://www.ebay.com/help/policies/listing-policies/picture-policy" in shown
    told = json.loads(run_command(*desk, "destinations", "ebay", "--json").stdout)
    assert told == json.loads(run_command(*desk, "destinations", "--json").stdout)["destinations"][1]
    unknown = run_command(*desk, "destinations", "esbay")
    assert (unknown.exit_code, "no destination is called 'esbay'" in unknown.stderr) == (2, True)


def test_files_are_checked_as_they_are_and_made_fit(tmp_path: Path) -> None:
    """A PNG of 800 x 1200 on white is none for Zalando; the file that is made of it is."""
    picture = tmp_path / "hat.png"
    picture.write_bytes(encoded(shot((800, 1200), box=(100, 100, 700, 1100))))
    (tmp_path / "note.txt").write_text("hello")
    checked = run_command(
        "destinations", "check", str(picture), str(tmp_path / "note.txt"), "--for", "zalando", "--json"
    )
    assert checked.exit_code == 1
    hat, note = json.loads(checked.stdout)["pictures"]
    assert [(each["name"], each["weight"]) for each in hat["findings"]] == [
        *(("best-size", "should"), ("upright", "must"), ("format", "must"))
    ]
    assert hat["findings"][2]["quote"] == "Image type: JPG/JPEG"
    assert hat["not_looked_at"] == ["sharp"]
    assert "not a picture" in note["error"]

    made = run_command("destinations", "make", str(picture), "--for", "zalando", "--into", str(tmp_path / "out"))
    file = tmp_path / "out" / "zalando" / "hat_1.jpg"
    assert "padded with #ffffff to 831x1200; encoded as JPEG at quality 95" in made.stdout
    passed = run_command("destinations", "check", str(file), "--for", "zalando")
    assert (passed.exit_code, "passes: zalando" in passed.stdout) == (0, True)
    file.write_bytes(b"somebody's own")
    again = run_command("destinations", "make", str(picture), "--for", "zalando", "--into", str(tmp_path / "out"))
    assert (again.exit_code, file.read_bytes()) == (2, b"somebody's own")


def test_a_file_that_is_not_there_is_said_in_words(tmp_path: Path) -> None:
    told = run_command("destinations", "check", str(tmp_path / "none.jpg"), "--for", "ebay").stdout
    assert "No such file or directory; name a picture that can be read" in told
    assert "Errno" not in told
