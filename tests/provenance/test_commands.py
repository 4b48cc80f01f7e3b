"""What files say of themselves, and a certificate for trials, on the command line."""

import json
import stat
from pathlib import Path

import pytest

from pipeline.provenance.marking import Marker
from tests.commands import run_command
from tests.provenance.conftest import BY_A_MODEL, drawn, signed_by_provider


def test_a_file_is_shown_with_what_it_says(marker: Marker, identity_folder: Path, tmp_path: Path) -> None:
    whole, changed, bare = (tmp_path / name for name in ("whole.png", "changed.png", "bare.gif"))
    whole.write_bytes(
        marker.mark(
            signed_by_provider(drawn("PNG"), "image/png", identity_folder), BY_A_MODEL, title="\x1b[2Jwhole.png"
        ).data
    )
    told = run_command("--desk", str(tmp_path), "provenance", "show", str(whole))
    assert told.exit_code == 0
    assert told.stdout.splitlines()[:4] == [
        str(whole),
        "  digital source type: http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
        "  says that a model had a part: yes",
        "  AISystemUsed: openai gpt-image-2.5-flare-2026-09-08",
    ]
    assert "  signed by: Shop (trial, trusted by nobody)" in told.stdout
    assert "untrusted, signed by Provider (trial, trusted by nobody)" in told.stdout
    assert "\x1b" not in told.stdout, "a file cannot steer the terminal"
    changed.write_bytes(whole.read_bytes().replace(b"2026-11-21T12:00:00Z", b"2026-11-22T12:00:00Z"))
    bare.write_bytes(drawn("GIF"))
    told = run_command("--desk", str(tmp_path), "provenance", "show", "--json", str(whole), str(changed), str(bare))
    first, second, third = map(json.loads, told.stdout.splitlines())
    assert told.exit_code == 1
    assert (first["c2pa"]["state"], second["c2pa"]["state"], third["c2pa"]["state"]) == ("untrusted", "invalid", "none")
    assert first["c2pa"]["parents"][0]["media_type"] == "image/png"
    assert second["c2pa"]["problems"]
    assert third["media_type"] is None
    assert run_command("provenance", "show", str(tmp_path / "missing.png")).exit_code == 2


def test_a_trial_certificate_signs_and_its_key_is_its_owners(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    desk = tmp_path / "desk"
    assert run_command("init", str(desk)).exit_code == 0
    told = run_command("--desk", str(desk), "provenance", "make-certificate", "Shop Ltd")
    assert told.exit_code == 0
    assert "nobody trusts it" in told.stdout
    assert stat.S_IMODE((desk / "trial-key.pem").stat().st_mode) == 0o600
    text = told.stdout[told.stdout.index("[provenance]") :]
    assert text.splitlines() == ["[provenance]", 'certificate = "trial-certificate.pem"', 'key = "trial-key.pem"']
    with (desk / "picturedesk.toml").open("a") as file:
        file.write(text)
    again = run_command("--desk", str(desk), "provenance", "make-certificate", "Shop Ltd")
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert run_command("--desk", str(tmp_path), "provenance", "make-certificate", "x" * 200).exit_code == 2
