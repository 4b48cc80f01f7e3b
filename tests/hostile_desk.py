"""A desk on which every text that comes from outside is hostile: Markdown, HTML, script, links, and right to left."""

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw

from pipeline import review, tokens
from pipeline.desk import Desk
from pipeline.people import Person
from pipeline.states import EditState, Role
from pipeline.store import access, ledger, reading, running
from pipeline.store.ledger import StoredOutput
from pipeline.values import Change, Detection, Flag, Instruction, Kind, Level, ManifestRow, PictureFacts, Route
from tests.attempts import begin
from tests.desks import load_rows, new_desk

ELSEWHERE = "203.0.113.9"
"""A host that no page may call."""

_OWNER = "runner"
_SIZE_WH = (320, 240)


def hostile(field: str) -> str:
    """A text that says which field it stands in, and tries everything."""
    return (
        f"<{field}> ![x](http://{ELSEWHERE}/{field}.png) <img src=//{ELSEWHERE}/x.gif onerror=window.__ran='{field}'>"
        f"<script>window.__ran='{field}'</script> [y](javascript:window.__ran='{field}') http://{ELSEWHERE}/{field} "
        ":red[**APPROVED**] :material/check: $x^2$ \u202egnp.exe {{7*7}} =1+1"
    )


ME = Person(hostile("person"), Role.ADMIN, is_alone=True)
"""Who is at the page; it is started with this name."""

REVIEWER = Person(hostile("reviewer"), Role.APPROVER)

LONG = "W" * 10_000
"""A text without a place to break it."""


def hostile_desk(root: Path) -> Desk:
    """Four assets in review, refused, rejected for a reason, and approved; the fifth's texts are 10,000 letters long.

    Sources and outputs are PNG, JPEG and WebP.
    """
    new_desk(root).close()
    _write_files(root)
    desk = Desk.open(root)
    _load(desk)
    waiting, refused, rejected, approved, long = reading.edit_ids(desk.db, reading.EditFilter())
    _produce(desk, waiting, ("PNG", "WEBP"), hostile("label"))
    _refuse(desk, refused)
    _produce(desk, rejected, ("JPEG", "PNG"), hostile("label"))
    _produce(desk, approved, ("WEBP", "JPEG"), hostile("label"))
    _produce(desk, long, ("PNG", "PNG"), LONG)
    review.reject(desk, rejected, by=REVIEWER, reason=hostile("reason"), note=hostile("note"))
    output = reading.edit(desk.db, approved).outputs[0].id
    review.accept(desk, approved, by=ME, screen=review.Screen(output_id=output), note=hostile("note"))
    access.set_role(desk.db, REVIEWER.name, Role.APPROVER, actor=ME.name)
    tokens.make(desk, name=hostile("token"), role=Role.VIEWER, by=ME)
    return desk


def _write_files(root: Path) -> None:
    settings = root / "picturedesk.toml"
    reasons = f"reject_reasons = [{_toml(hostile('reason'))}, {_toml(LONG[:200])}]"
    lines = settings.read_text("utf-8").splitlines()
    settings.write_text("\n".join(reasons if line.startswith("reject_reasons") else line for line in lines), "utf-8")
    (root / "recipes" / "hostile.toml").write_text(
        f'name = "hostile"\ntitle = {_toml(hostile("title"))}\ndescription = {_toml(hostile("description"))}\n'
        f"prompt = {_toml(hostile('prompt').replace('{', '').replace('}', ''))}\n",
        "utf-8",
    )
    (root / "brand-kit" / "words.txt").write_text(hostile("word") + "\n", "utf-8")
    Image.new("RGB", (64, 64), "teal").save(root / "brand-kit" / f"![x](){'<img src=x onerror=alert(1)>'}.png")


def _toml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\u202e", "\\u202E")
    return f'"{escaped}"'


def _load(desk: Desk) -> None:
    def row(line: int, asset: str, prompt: str, **more: str) -> ManifestRow:
        instruction = Instruction(prompt, recipe="hostile", parameters={"word": hostile("parameter")})
        return ManifestRow(
            line=line,
            asset_id=asset,
            variant=hostile("variant") if line < 6 else "",
            source=f"https://example.com/?{hostile('source')}" if line == 2 else f"/pictures/{line}{hostile('file')}",
            steps=(instruction,),
            sku=hostile("sku"),
            ai_model=hostile("model"),
            size=hostile("size"),
            quality=hostile("quality"),
            extra={hostile("extra"): hostile("extra")},
            **more,  # type: ignore[arg-type]
        )

    rows = [row(line, f"{line} {hostile('asset')}", hostile("prompt")) for line in range(2, 6)]
    rows.append(row(6, LONG, LONG))
    load_rows(desk.db, rows, batch=hostile("batch"), actor=hostile("person"), manifest_name=hostile("manifest"))


def _begin(desk: Desk, edit_id: int, kind: str) -> int:
    source = _put(desk, kind, f"#{edit_id:02x}4080")
    facts: Mapping[str, str] = {"file_name": hostile("file"), "Artist": hostile("file")}
    asset_id = reading.edit(desk.db, edit_id).asset.id
    running.save_source(desk.db, asset_id, original_sha256=source.sha256, source=source, facts=facts)
    return begin(desk.db, edit_id, owner=_OWNER)


def _produce(desk: Desk, edit_id: int, kinds: tuple[str, str], label: str) -> None:
    attempt = _begin(desk, edit_id, kinds[0])
    found = Detection(Kind.TEXT, (80, 60, 240, 180), 0.87, Level.FLAG, label, detector="drawn", version="1")
    notes = {"composited_from": hostile("notes"), hostile("notes"): hostile("notes")}
    outputs = [
        StoredOutput(_put(desk, kinds[1], f"#80{number}0{edit_id:02x}"), name, notes, (found,))
        for number, name in enumerate((hostile("output"), LONG))
    ]
    ledger.finish(
        desk.db, attempt, owner=_OWNER, outputs=outputs, request_id=hostile("request"), usage={}, cost_microusd=40_000
    )
    made = reading.edit(desk.db, edit_id).outputs
    flags = [Flag(found, Change.ALTERED, before=hostile("before"), remark=hostile("remark"))]
    route = Route(to_review=True, is_sample=False, reasons=(hostile("route"),), policy_hash=desk.policy.hash)
    every = {output.id: flags for output in made}
    running.route_edit(desk.db, edit_id, route, every, owner=_OWNER, best_output_id=made[0].id)


def _refuse(desk: Desk, edit_id: int) -> None:
    attempt = _begin(desk, edit_id, "JPEG")
    message, code = hostile("error"), "refused"
    ledger.give_up(desk.db, attempt, EditState.REFUSED, owner=_OWNER, code=code, message=message)


def _put(desk: Desk, kind: str, colour: str) -> PictureFacts:
    image = Image.new("RGB", _SIZE_WH, "white")
    ImageDraw.Draw(image).ellipse((80, 60, 240, 180), fill=colour, outline="black", width=4)
    buffer = io.BytesIO()
    image.save(buffer, kind)
    media_type = f"image/{kind.lower()}"
    return PictureFacts(desk.blobs.put(buffer.getvalue(), media_type), media_type, _SIZE_WH, len(buffer.getvalue()))
