"""The brand kit: logos to look for, how well each can be found, and names to read."""

import base64

import streamlit as st

from pipeline import kit_files
from pipeline.desk import Desk
from pipeline.errors import PicturedeskError
from pipeline.kit_files import KitPicture
from pipeline.people import Person
from pipeline.states import Role
from review_app.settings import brand_words, notices

_COLUMNS = 5
_MOST_SHOWN = 100
_MOST_FILES = 50
_MOST_MB = kit_files.LIMITS.max_bytes // 1_000_000

_FRAME = (
    "<div style='height:132px;border-radius:.4rem;display:flex;align-items:center;justify-content:center;"
    "background:repeating-conic-gradient(#d9d9d6 0 25%,#f4f4f1 0 50%) 0 0/16px 16px'>{}</div>"
)


def show(desk: Desk, person: Person) -> None:
    """The section."""
    found = kit_files.pictures(desk)
    is_admin = person.may(Role.ADMIN)
    st.text(
        "Logos are looked for by their look, and names where they are written; what is found is flagged as a logo.\n"
        "A worker takes a changed kit up with the next picture. Flags stay as the kit of their time made them: to\n"
        "flag an edit again, ask for it again; to look at any file by the kit of today: picturedesk flag FILE"
    )
    simple = _too_simple(desk, found)
    for start in range(0, min(len(found), _MOST_SHOWN), _COLUMNS):
        for column, picture in zip(st.columns(_COLUMNS), found[start : start + _COLUMNS], strict=False):
            with column:
                _card(desk, person, picture, is_simple=picture.label in simple)
    if not found:
        st.text("There is no reference logo yet.")
    if len(found) > _MOST_SHOWN:
        st.text(f"The first {_MOST_SHOWN} of {len(found)}.")
    if is_admin:
        _adder(desk, person)
    brand_words.show(desk, person)


def _card(desk: Desk, person: Person, picture: KitPicture, *, is_simple: bool) -> None:
    image = _small(picture, desk)
    style = "max-width:92%;max-height:112px;object-fit:contain"
    drawn = f"<img alt='' style='{style}' src='data:image/webp;base64,{image}'>" if image else ""
    st.html(_FRAME.format(drawn))
    st.text(picture.label)
    if not image:
        st.badge("cannot be read", icon=":material/error:", color="red")
    elif is_simple:
        st.badge(
            "too simple",
            icon=":material/warning:",
            color="orange",
            help="Too few details for it to be found by its look, and its name is not among the words below.",
        )
    else:
        st.badge("can be found", icon=":material/check:", color="green")
    if not person.may(Role.ADMIN):
        return

    def remove() -> None:
        notices.carry_out(lambda: kit_files.remove(desk, picture, by=person), "The logo is removed.", picture.name)

    with st.popover("Remove", icon=":material/delete:", type="tertiary", key=f"kit_{picture.name}"):
        st.text(f"The file {picture.name} is taken away for good.")
        st.button("Remove this logo", key=f"remove_{picture.name}", type="primary", on_click=remove)


def _adder(desk: Desk, person: Person) -> None:
    with st.form("add_logo", clear_on_submit=True):
        st.text("Add logos: cut close, transparent or on a plain ground; with lettering rather than without.")
        left, right = st.columns(2)
        label = left.text_input("Whose logo it is", placeholder="Tarnquill", max_chars=80)
        files = right.file_uploader(
            "Pictures", type=["png", "jpg", "jpeg", "webp"], accept_multiple_files=True, max_upload_size=_MOST_MB
        )
        if not st.form_submit_button("Add to the kit", icon=":material/add:", type="primary"):
            return
    problems = []
    for file in files[:_MOST_FILES]:
        try:
            kit_files.add(desk, label or "", file.getvalue(), by=person)
        except PicturedeskError as exc:
            problems.append(f"{file.name}: {exc}")
    if problems or not files:
        notices.failed("\n".join(problems), "Not everything was added." if files else "Choose at least one picture.")
    else:
        notices.done(f"{len(files)} added to the kit.")
    st.rerun()


@st.cache_data(max_entries=300, show_spinner=False)
def _small(picture: KitPicture, _desk: Desk) -> str:
    """Base64; "" if it is no picture."""
    try:
        return base64.b64encode(kit_files.small(_desk, picture)).decode()
    except (PicturedeskError, OSError):
        return ""


def _too_simple(desk: Desk, found: list[KitPicture]) -> list[str]:
    try:
        return _checked(found, kit_files.words(desk).stamp, desk)
    except PicturedeskError as exc:
        st.error("The kit cannot be used as it is.")
        st.text(str(exc))
        return []


@st.cache_data(max_entries=4, show_spinner="Trying to find each logo")
def _checked(found: list[KitPicture], words_stamp: str, _desk: Desk) -> list[str]:
    """By what is in the kit; the desk is always the same."""
    return kit_files.too_simple(_desk)
