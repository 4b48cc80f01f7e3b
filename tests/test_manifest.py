"""Manifests: everything wrong is said at once, and nothing is repaired."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import ManifestError
from pipeline.manifest import COLUMNS, ManifestReading, read_manifest
from pipeline.recipes import builtin_folder, load_recipes

RECIPES = load_recipes([builtin_folder()])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with three files that are there."""
    for name in ("mug.jpg", "hat.png", "mask.png"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(path: Path, **options: Any) -> ManifestReading:
    return read_manifest(path, recipes=RECIPES, is_known_provider=lambda name: name == "local", **options)


def read_text(folder: Path, text: str | bytes, name: str = "shop.csv", **options: Any) -> ManifestReading:
    data = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(data)
    return read(folder / name, **options)


def problems(reading: ManifestReading) -> list[tuple[int, str]]:
    return [(problem.line, problem.column) for problem in reading.problems]


def test_a_row_with_everything(shop: Path) -> None:
    reading = read_text(
        shop,
        "asset_id,source,prompt,mask,references,provider,ai_model,size,quality,n,variant,sku,Price\n"
        'mug,mug.jpg,make it square,mask.png,hat.png|https://example.com/a.png,local,m,1024x1024,high,2,red,S-1,"9,50"\n',
    )
    assert reading.problems == ()
    (row,) = reading.rows
    assert (row.line, row.asset_id, row.variant, row.sku, row.n) == (2, "mug", "red", "S-1", 2)
    assert row.source == str((shop / "mug.jpg").resolve())
    assert row.references == (str((shop / "hat.png").resolve()), "https://example.com/a.png")
    assert (row.size, row.quality, row.provider, row.ai_model) == ("1024x1024", "high", "local", "m")
    assert row.extra == {"Price": "9,50"}
    assert row.steps[0].prompt == "make it square"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_spreadsheets_of_all_kinds_are_read_alike(shop: Path, separator: str, newline: str, mark: bytes) -> None:
    lines = [["asset_id", "source", "prompt"], ["mug", "mug.jpg", "make it square"]]
    text = newline.join(separator.join(line) for line in lines)
    reading = read_text(shop, mark + text.encode())
    assert [row.asset_id for row in reading.rows] == ["mug"]


def test_headers_may_be_written_as_people_write_them(shop: Path) -> None:
    reading = read_text(shop, "Asset ID,SOURCE,Prompt\nmug,mug.jpg,make it square\n")
    assert [row.asset_id for row in reading.rows] == ["mug"]


def test_a_sku_stands_for_a_missing_id(shop: Path) -> None:
    assert read_text(shop, "sku,source,prompt\nS-1,mug.jpg,crop\n").rows[0].asset_id == "S-1"


def test_every_problem_is_said_with_its_line_and_column(shop: Path) -> None:
    reading = read_text(
        shop,
        "asset_id,source,prompt,recipe,n,size,provider,mask\n"
        ",mug.jpg,crop,,1,,,\n"
        "a,missing.jpg,crop,,1,,,\n"
        "b,mug.jpg,,,1,,,\n"
        "c,mug.jpg,crop,,0,,,\n"
        "d,mug.jpg,crop,,1,big,,\n"
        "e,mug.jpg,crop,,1,,nobody,\n"
        "f,../secret.jpg,crop,,1,,,\n"
        "g,http://example.com/a.png,crop,,1,,,\n"
        "h,mug.jpg,,no-such-recipe,1,,,\n"
        "i,mug.jpg,crop,outpaint,1,,,\n"
        "j,mug.jpg,crop,,x,,,none.png\n"
        "ok,mug.jpg,crop,,1,,,\n"
        "ok,hat.png,crop,,1,,,\n",
    )
    assert problems(reading) == [
        *[(2, "asset_id"), (3, "source"), (4, "prompt"), (5, "n"), (6, "size"), (7, "provider"), (8, "source")],
        *[(9, "source"), (10, "recipe"), (11, "recipe"), (12, "mask"), (12, "n"), (14, "asset_id")],
    ]
    assert [row.asset_id for row in reading.rows] == ["ok"]
    assert "line 13" in str(reading.problems[-1])


def test_lines_are_counted_as_an_editor_counts_them(shop: Path) -> None:
    reading = read_text(shop, 'asset_id,source,prompt\na,mug.jpg,"two\nlines"\nb,none.jpg,crop\n')
    assert problems(reading) == [(4, "source")]


def test_a_link_cannot_lead_out_of_the_folder(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret.jpg"
    outside.write_bytes(b"x")
    (shop / "link.jpg").symlink_to(outside)
    text = "asset_id,source,prompt\na,link.jpg,crop\n"
    assert problems(read_text(shop, text)) == [(2, "source")]
    assert read_text(shop, text, allow_outside=True).rows[0].source == str(outside)


def test_a_misspelt_column_is_found(shop: Path) -> None:
    with pytest.raises(ManifestError, match="'prompt'"):
        read_text(shop, "asset_id,source,promt\na,mug.jpg,crop\n")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "no header"),
        ("asset_id,source,prompt\n", "no rows"),
        ("asset_id,source,source\n", "stands twice"),
        ("asset_id,source,prompt\nmüg,mug.jpg,crop\n".encode("latin-1"), "UTF-8"),
        (b"a\0b\n", "zero bytes"),
    ],
)
def test_a_file_that_is_no_manifest_says_why(shop: Path, data: str | bytes, said: str) -> None:
    try:
        found = read_text(shop, data).problems
    except ManifestError as exc:
        found = exc.problems
    assert said in str(found[0])


def test_too_many_cells_are_a_problem_and_the_rest_is_read(shop: Path) -> None:
    reading = read_text(shop, "asset_id,source,prompt\na,mug.jpg,crop, and more\nb,mug.jpg,crop\n")
    assert problems(reading) == [(2, "")]
    assert [row.asset_id for row in reading.rows] == ["b"]


def test_a_recipe_takes_its_parameters_from_columns(shop: Path) -> None:
    reading = read_text(shop, "asset_id,source,recipe,size,text\na,mug.jpg,render-text,,New in\n")
    (row,) = reading.rows
    assert row.steps[0].recipe == "render-text"
    assert '"New in"' in row.steps[0].prompt
    assert row.extra == {}


def test_a_recipes_missing_parameter_is_a_problem_of_its_row(shop: Path) -> None:
    reading = read_text(shop, "asset_id,source,recipe\na,mug.jpg,render-text\n")
    assert "'text' is missing" in str(reading.problems[0])


def test_steps_are_chained_rounds(shop: Path) -> None:
    reading = read_text(shop, "asset_id,source,steps\na,mug.jpg,make it square => make it vintage\n")
    assert [step.prompt for step in reading.rows[0].steps] == ["make it square", "make it vintage"]


def test_half_a_surrogate_pair_is_a_problem_of_its_row(shop: Path) -> None:
    text = '{"asset_id": "a", "source": "mug.jpg", "prompt": "make it \\ud800"}\n'
    assert problems(read_text(shop, text, "shop.jsonl")) == [(1, "")]


def test_jsonl_is_read_as_the_same_rows(shop: Path) -> None:
    lines = [
        {"asset_id": "a", "source": "mug.jpg", "prompt": "crop", "price": 9.5},
        {
            "asset_id": "b",
            "source": "mug.jpg",
            "steps": [{"recipe": "outpaint", "parameters": {"ratio": "4:3"}}, "crop"],
        },
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\nno json\n[1]\n"
    reading = read_text(shop, text, "shop.jsonl")
    assert [row.asset_id for row in reading.rows] == ["a", "b"]
    assert reading.rows[0].extra == {"price": "9.5"}
    assert len(reading.rows[1].steps) == 2
    assert problems(reading) == [(3, ""), (4, "")]


def test_a_folder_is_a_manifest_with_one_instruction(shop: Path) -> None:
    (shop / "photo-10.jpg").write_bytes(b"x")
    (shop / "photo-9.jpg").write_bytes(b"x")
    (shop / ".hidden.jpg").write_bytes(b"x")
    (shop / "notes.txt").write_bytes(b"x")
    reading = read(shop, default_prompt="make it square")
    assert [row.asset_id for row in reading.rows] == ["hat", "mask", "mug", "photo-9", "photo-10"]


def test_a_picture_in_a_folder_may_begin_with_a_blank(tmp_path: Path) -> None:
    (tmp_path / " below").mkdir()
    for name in (" lead.jpg", " below/ mug.jpg"):
        (tmp_path / name).write_bytes(b"x")
    rows = read(tmp_path, default_prompt="make it square").rows
    assert {row.source for row in rows} == {str(tmp_path / " lead.jpg"), str(tmp_path / " below" / " mug.jpg")}


def test_formula_like_cells_are_kept_as_they_are(shop: Path) -> None:
    row = read_text(shop, "asset_id,source,prompt,note\n=1+1,mug.jpg,crop,@x\n").rows[0]
    assert (row.asset_id, row.extra) == ("=1+1", {"note": "@x"})


def test_a_hundred_thousand_rows_are_read(shop: Path) -> None:
    lines = "".join(f"sku-{n},mug.jpg,make it square\n" for n in range(100_000))
    assert len(read_text(shop, f"asset_id,source,prompt\n{lines}").rows) == 100_000


cells = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda t: t.strip() == t
)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6, unique_by=lambda row: row[0]), st.sampled_from(",;\t"))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_written_as_csv_is_read_again(shop: Path, rows: list[tuple[str, str]], separator: str) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=separator)
    writer.writerow(["asset_id", "source", "prompt"])
    writer.writerows([asset_id, "mug.jpg", prompt] for asset_id, prompt in rows)
    reading = read_text(shop, buffer.getvalue())
    good = [(asset_id, prompt) for asset_id, prompt in rows if asset_id.isprintable()]
    assert [(row.asset_id, row.steps[0].prompt) for row in reading.rows] == good


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_bytes_are_problems_and_never_a_crash(shop: Path, data: bytes) -> None:
    for name in ("x.csv", "x.jsonl"):
        for text in (data, b"asset_id,source,prompt\n" + data, b'{"asset_id": "a", "source": "' + data + b'"}'):
            try:
                assert read_text(shop, text, name).problems is not None
            except ManifestError as exc:
                assert exc.problems


def test_the_page_about_manifests_lists_every_column() -> None:
    page = (Path(__file__).parent.parent / "docs" / "manifest.md").read_text("utf-8")
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == list(COLUMNS)
