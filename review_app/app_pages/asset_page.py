"""Asset (``?asset=ID``, or ``?edit=ID`` of one of its edits): its rounds, and how they came to be."""

from collections.abc import Mapping, Sequence

import streamlit as st

from pipeline.errors import NotFound
from pipeline.records import EditRecord
from pipeline.store import reading
from pipeline.values import PictureFacts
from review_app import asset_facts, disclosing, drawing, workspace

desk = workspace.desk()


def asked_for() -> list[EditRecord]:
    """The rounds of the asset that the address names.

    Raises:
        NotFound: There is none.
    """
    asset, edit = (st.query_params.get(name, "") for name in ("asset", "edit"))
    if _is_number(edit) and not asset:
        asset = str(reading.edit(desk.db, int(edit)).asset.id)
    found = reading.rounds(desk.db, int(asset)) if _is_number(asset) else []
    if not found:
        raise NotFound("This address names no asset of this desk. The page Search has links to all of them.")
    return found


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= 18


def show_round(edit: EditRecord) -> None:
    """What was asked for, the pictures, and what was found on them."""
    with st.container(border=True):
        made_by = " ".join(filter(None, (edit.provider, edit.ai_model)))
        st.html(drawing.heading(f"Round {edit.round}", [edit.state.value.replace("_", " "), made_by], level=2))
        source = edit.asset.source if edit.input_sha256 is None else reading.picture(desk.db, edit.input_sha256)
        pictures, words = st.columns([3, 1])
        with words:
            st.text(f"Asked for by {edit.asked_by}:")
            st.code(edit.instruction.prompt, language=None, wrap_lines=True)
            if edit.error:
                st.text(edit.error)
        if not edit.outputs:
            pictures.html(drawing.pair(_linked(source), None, ()))
        for output in edit.outputs:
            accepted = "accepted" if output.id == edit.accepted_output_id else ""
            if len(edit.outputs) > 1:
                title = ", ".join(filter(None, (f"Output {output.position + 1}", output.name, accepted)))
                pictures.text(title)
                words.text(title)
            pictures.html(drawing.pair(_linked(source), _linked(output.picture), output.flags))
            if output.flags:
                words.html(drawing.flag_list(output.flags))
            else:
                words.text("No flags.")


def _linked(picture: PictureFacts | None) -> tuple[str, PictureFacts] | None:
    return None if picture is None else (workspace.picture_url(picture.sha256), picture)


def show_table(rows: Sequence[Mapping[str, object]], without: str) -> None:
    """The rows, or what to say without any."""
    if rows:
        st.dataframe(rows, hide_index=True)
    else:
        st.text(without)


try:
    rounds = asked_for()
except NotFound as exc:
    st.title("Asset")
    st.text(str(exc))
    st.stop()
asset, latest = rounds[0].asset, rounds[-1]
sku = f"SKU {asset.sku}" if asset.sku else ""
st.html(drawing.heading(asset.title, [sku, latest.state.value.replace("_", " ")]))
st.text(f"Line {asset.line} of the batch {asset.batch}")
pictures = [("source", asset.source)]
pictures += [(f"round {edit.round}", output.picture) for edit in rounds for output in edit.outputs]
if len(pictures) > 2:
    st.html(drawing.strip([(name, workspace.preview_url(each.sha256)) for name, each in pictures if each is not None]))
for edit in rounds:
    show_round(edit)
st.subheader("Decisions", divider="gray")
show_table(asset_facts.decisions(desk, rounds), "Nobody has decided on it.")
st.subheader("Requests and charges", divider="gray")
show_table(
    asset_facts.requests(desk, rounds),
    "Nothing was sent: what was made before was used again, or nothing was made yet.",
)
st.subheader("Provenance", divider="gray")
st.code("\n".join(asset_facts.provenance(rounds)), language=None, wrap_lines=True)
st.subheader("Disclosure", divider="gray")
disclosing.show(desk, workspace.person(), latest)
