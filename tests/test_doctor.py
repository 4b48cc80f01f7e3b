"""What ``picturedesk doctor`` looks at."""

from pathlib import Path

from PIL import Image

from pipeline.desk import Desk
from pipeline.doctor import examine
from pipeline.drawn_products import draw_logo


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
