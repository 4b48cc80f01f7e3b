"""Pictures with their flags, as HTML. Whatever others wrote goes through `html.escape`."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape

from pipeline.flag_lines import flag_line
from pipeline.values import Change, Flag, Kind, Level, PictureFacts

COLOURS = {
    Kind.FACE: "#c2410c",
    Kind.TEXT: "#1d4ed8",
    Kind.LOGO: "#a21caf",
    Kind.QUALITY: "#a16207",
    Kind.DETECTOR: "#b91c1c",
}
"""Dark enough for white letters on them."""

STYLE = """
<style>
.pd-pair { display: grid; grid-template-columns: 1fr 1fr; gap: 12px; }
.pd-pair figure { margin: 0; display: flex; flex-direction: column; align-items: center; min-width: 0; }
.pd-pair figcaption { font-size: 0.85rem; opacity: 0.75; align-self: flex-start; margin-bottom: 4px; }
.pd-frame { position: relative; line-height: 0; max-width: 100%;
  background: repeating-conic-gradient(rgba(128,128,128,0.18) 0 25%, transparent 0 50%) 0 0 / 20px 20px; }
.pd-frame img { max-width: 100%; max-height: 60vh; display: block; }
.pd-box { position: absolute; border: 2px solid; box-shadow: 0 0 0 1px rgba(255,255,255,0.85); }
.pd-box.pd-weak { border-style: dashed; }
.pd-box span { position: absolute; left: -2px; bottom: 100%; line-height: 1.3; font-size: 11px; padding: 0 4px;
  color: #fff; white-space: nowrap; max-width: 220px; overflow: hidden; text-overflow: ellipsis; }
.pd-box.pd-kept { border-width: 1px; opacity: 0.55; }
.pd-box.pd-kept span { display: none; }
.pd-box.pd-kept:hover { opacity: 1; z-index: 1; }
.pd-box.pd-kept:hover span { display: inline; }
.pd-box.pd-top span { bottom: auto; top: 100%; }
.pd-strip { display: flex; gap: 12px; flex-wrap: wrap; }
.pd-strip figure { margin: 0; }
.pd-strip figcaption { font-size: 0.8rem; opacity: 0.75; }
.pd-strip img { height: 84px; border-radius: 4px; display: block; }
.pd-head { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 10px; }
.pd-head :is(h1, h2) { margin: 0; padding: 0; min-width: 0; overflow-wrap: anywhere; }
.pd-chip { padding: 1px 9px; border-radius: 99px; font-size: 0.82rem; background: rgba(128,128,128,0.16); }
.pd-flags { margin: 0; padding: 0; list-style: none; font-size: 0.9rem; overflow-wrap: anywhere; }
.pd-flags li { margin: 3px 0; padding-left: 18px; text-indent: -18px; }
.pd-flags i { display: inline-block; width: 10px; height: 10px; margin-right: 8px; border-radius: 2px; }
.pd-flags .pd-kept { opacity: 0.75; }
</style>
"""


def pair(
    source: tuple[str, PictureFacts] | None, output: tuple[str, PictureFacts] | None, flags: Sequence[Flag]
) -> str:
    """Source and output side by side.

    Args:
        source: URL and facts; what the edit lost or altered is drawn on it, as it was.
        output: URL and facts; the other flags are drawn on it, faintly what the edit kept.
        flags: What was found.
    """
    lost = [_on_source(flag) for flag in flags if flag.change in (Change.LOST, Change.ALTERED)]
    other = [flag for flag in flags if flag.change is not Change.LOST]
    return f'{STYLE}<div class="pd-pair">{_figure("Source", source, lost)}{_figure("Output", output, other)}</div>'


def strip(pictures: Sequence[tuple[str, str]]) -> str:
    """Small pictures in a row: what each is called, and its URL."""
    figures = "".join(
        f'<figure><img src="{escape(url)}" alt="" loading="lazy"><figcaption>{escape(name)}</figcaption></figure>'
        for name, url in pictures
    )
    return f'{STYLE}<div class="pd-strip">{figures}</div>'


def heading(title: str, facts: Sequence[str], *, level: int = 1) -> str:
    """A heading with short facts beside it."""
    chips = "".join(f'<span class="pd-chip">{escape(fact)}</span>' for fact in facts if fact)
    return f'{STYLE}<div class="pd-head"><h{level}>{escape(title)}</h{level}>{chips}</div>'


def flag_list(flags: Sequence[Flag]) -> str:
    """The flags in words, each with the colour of its box."""
    return f'{STYLE}<ul class="pd-flags">{"".join(map(_line, flags))}</ul>'


def download(url: str, label: str) -> str:
    """A link that downloads a file."""
    return (
        f'<a href="{escape(url)}" download style="display:inline-block;padding:0.5rem 1rem;border-radius:0.4rem;'
        f'background:#0b6e4f;color:#fff;text-decoration:none">{escape(label)}</a>'
    )


def _figure(title: str, picture: tuple[str, PictureFacts] | None, flags: Sequence[Flag]) -> str:
    if picture is None:
        return f"<figure><figcaption>{title}</figcaption><em>There is no picture.</em></figure>"
    url, facts = picture
    width, height = facts.size_wh
    size = f"{width} × {height}, {facts.media_type.removeprefix('image/').upper()}"
    boxes = "".join(_box(flag, width, height) for flag in flags if not _is_whole(flag, width, height))
    return (
        f"<figure><figcaption>{title} · {escape(size)}</figcaption>"
        f'<div class="pd-frame"><img src="{escape(url)}" alt="{title}">{boxes}</div></figure>'
    )


def _line(flag: Flag) -> str:
    kept = ' class="pd-kept"' if flag.change is Change.KEPT else ""
    colour = COLOURS[flag.detection.kind]
    return f'<li{kept}><i style="background:{colour}"></i><span>{escape(flag_line(flag))}</span></li>'


def _on_source(flag: Flag) -> Flag:
    if flag.source_xyxy is None:
        return flag
    was = replace(flag.detection, xyxy=flag.source_xyxy, label=flag.before or flag.detection.label)
    return replace(flag, detection=was)


def _is_whole(flag: Flag, width: int, height: int) -> bool:
    """A flag about the whole picture needs no box; the list says it."""
    left, top, right, bottom = flag.detection.xyxy
    return left <= 0 and top <= 0 and right >= width and bottom >= height


def _box(flag: Flag, width: int, height: int) -> str:
    found = flag.detection
    left, top, right, bottom = found.xyxy
    place = (
        f"left:{100 * left / width:.2f}%;top:{100 * top / height:.2f}%;"
        f"width:{100 * (right - left) / width:.2f}%;height:{100 * (bottom - top) / height:.2f}%"
    )
    colour = COLOURS[found.kind]
    classes = " ".join(
        name
        for name, holds in (
            ("pd-box", True),
            ("pd-weak", found.level is Level.FLAG),
            ("pd-kept", flag.change is Change.KEPT),
            ("pd-top", top / height < 0.06),
        )
        if holds
    )
    words = " ".join(filter(None, (found.kind.value, found.label, f"{found.score:.2f}")))
    return (
        f'<div class="{classes}" style="{place};border-color:{colour}">'
        f'<span style="background:{colour}">{escape(words)}</span></div>'
    )
