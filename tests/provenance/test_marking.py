"""What an export writes says how it was made, is signed last, and is as it was in every pixel."""

import io
import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from pipeline.errors import UsageError
from pipeline.provenance import containers, xmp
from pipeline.provenance.credentials import State
from pipeline.provenance.marking import COLUMNS, MOST_PROMPT_CHARACTERS, Marker
from pipeline.provenance.origin import Origin
from pipeline.provenance.reading import verify
from pipeline.provenance.source_types import BASE
from pipeline.settings import ProvenanceSettings
from tests.provenance.conftest import BY_A_MODEL, BY_THE_DESK, SIGNED, drawn, pixels, signed_by_provider

KINDS = [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("TIFF", "image/tiff")]
UNSIGNED = ProvenanceSettings()


@pytest.mark.parametrize(("kind", "media_type"), KINDS)
def test_a_signed_master_becomes_the_parent_of_a_valid_file(
    kind: str, media_type: str, marker: Marker, identity_folder: Path
) -> None:
    master = signed_by_provider(drawn(kind), media_type, identity_folder)
    found = marker.mark(master, BY_A_MODEL, title="7.png")
    told = verify(found.data)
    assert pixels(found.data) == pixels(master)
    assert (told.credentials.state, told.credentials.problems) == (State.UNTRUSTED, ())
    assert told.credentials.actions == ("c2pa.opened", "c2pa.edited", "c2pa.edited.metadata")
    assert told.credentials.source_types == (f"{BASE}compositeWithTrainedAlgorithmicMedia",)
    assert told.credentials.software == ("openai gpt-image-2.5-flare-2026-09-08",)
    (parent,) = told.credentials.parents
    assert (parent.state, parent.signed_by) == (State.UNTRUSTED, "Provider (trial, trusted by nobody)")
    assert told.credentials.signed_by == "Shop (trial, trusted by nobody)"
    assert told.fields == {
        xmp.DIGITAL_SOURCE_TYPE: f"{BASE}compositeWithTrainedAlgorithmicMedia",
        xmp.AI_SYSTEM: "openai gpt-image-2.5-flare-2026-09-08",
        xmp.AI_SYSTEM_VERSION: "2026-09-08",
        xmp.SOURCE: "https://shop.example.com/raw/7.jpg?size=large",
    }
    assert found.columns == {
        "digital_source_type": f"{BASE}compositeWithTrainedAlgorithmicMedia",
        "digital_source_type_rule": "a picture edited with a generative model",
        "c2pa_state": "untrusted",
        "iptc_written": "DigitalSourceType AISystemUsed AISystemVersionUsed",
        "provenance_check": "ok",
    }
    assert tuple(found.columns) == COLUMNS


def test_the_manifest_says_who_ran_the_desk_and_what_a_person_decided(marker: Marker) -> None:
    import c2pa

    data = marker.mark(drawn("PNG"), BY_THE_DESK, title="7.png").data
    with c2pa.Reader("image/png", io.BytesIO(data)) as reader:
        active = reader.get_active_manifest()
    assert active["title"] == "7.png"
    assert active["claim_generator_info"][0]["operator"] == "Shop Ltd"
    assert "thumbnail" not in json.dumps(active)
    (edited,) = [each for each in active["assertions"][0]["data"]["actions"] if each["action"] == "c2pa.edited"]
    assert edited["digitalSourceType"] == f"{BASE}algorithmicallyEnhanced"
    assert edited["parameters"] == {"description": "crop"}
    assert edited["when"] == "2026-11-21T12:00:00Z"


def test_a_file_without_credentials_is_a_parent_too(marker: Marker) -> None:
    found = marker.mark(drawn("JPEG"), BY_THE_DESK, title="7.jpg")
    (parent,) = found.verdict.credentials.parents
    assert (found.verdict.credentials.state, parent.state) == (State.UNTRUSTED, State.NONE)
    assert found.columns["provenance_check"] == "ok"
    assert not found.verdict.says_ai


def test_who_is_on_the_trust_list_is_valid(identity_folder: Path) -> None:
    trusting = SIGNED.model_copy(update={"trust_list": "trial-certificate.pem"})
    found = Marker(trusting, identity_folder).mark(drawn("JPEG"), BY_THE_DESK, title="7.jpg")
    assert found.columns["c2pa_state"] == "valid"


def test_a_derivative_is_signed_with_the_master_as_its_parent(marker: Marker, identity_folder: Path) -> None:
    master = signed_by_provider(drawn("PNG"), "image/png", identity_folder)
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(master)) as image:
        image.resize((48, 32)).save(buffer, "WEBP", lossless=True)
    lost = verify(buffer.getvalue())
    assert lost.credentials.state == State.NONE, "Pillow keeps no credentials"
    found = marker.mark(buffer.getvalue(), BY_A_MODEL, title="7.webp", master=master)
    told = found.verdict.credentials
    assert pixels(found.data) == pixels(buffer.getvalue())
    assert told.actions == ("c2pa.opened", "c2pa.edited", "c2pa.resized", "c2pa.converted", "c2pa.edited.metadata")
    assert [(parent.media_type, parent.state) for parent in told.parents] == [("image/png", State.UNTRUSTED)]
    assert (told.state, found.columns["provenance_check"]) == (State.UNTRUSTED, "ok")


def test_a_derivative_that_nobody_signs_says_that_credentials_are_lost(identity_folder: Path) -> None:
    master = signed_by_provider(drawn("JPEG"), "image/jpeg", identity_folder)
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(master)) as image:
        image.save(buffer, "JPEG")
    found = Marker(UNSIGNED, identity_folder).mark(buffer.getvalue(), BY_A_MODEL, title="7.jpg", master=master)
    assert found.columns["provenance_check"] == "credentials lost: the provider had signed it"
    assert found.columns["c2pa_state"] == "none"
    assert found.verdict.says_ai


def test_without_a_certificate_a_signed_master_is_left_as_it_is(identity_folder: Path) -> None:
    master = signed_by_provider(drawn("PNG"), "image/png", identity_folder)
    unsigned = Marker(UNSIGNED, identity_folder)
    kept = unsigned.mark(master, BY_A_MODEL, title="7.png")
    assert kept.data == master
    assert (kept.columns["c2pa_state"], kept.columns["iptc_written"]) == ("untrusted", "")
    assert kept.columns["provenance_check"].startswith("ok; left as the provider signed it")
    asked = unsigned.mark(
        master,
        BY_A_MODEL,
        title="7.png",
        destination="google-merchant",
        accepted_source_types=["trainedAlgorithmicMedia"],
    )
    assert asked.verdict.source_type == f"{BASE}trainedAlgorithmicMedia"
    assert asked.columns["digital_source_type_rule"] == "google-merchant asks for it of generative pictures"
    assert asked.columns["provenance_check"] == "credentials lost: the provider had signed it"
    assert not containers.has_credentials(asked.data), "a broken signature is worse than none"
    taken = ["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]
    true = unsigned.mark(master, BY_A_MODEL, title="7.png", destination="shop", accepted_source_types=taken)
    assert true.columns["digital_source_type_rule"] == "a picture edited with a generative model"
    always = Marker(ProvenanceSettings(without_certificate="write-iptc"), identity_folder)
    assert always.mark(master, BY_A_MODEL, title="7.png").verdict.fields


@pytest.mark.parametrize(("kind", "media_type"), KINDS)
def test_a_changed_byte_is_found(kind: str, media_type: str, marker: Marker) -> None:
    whole = marker.mark(drawn(kind, size_wh=(256, 256)), BY_A_MODEL, title="7").data
    changed = bytearray(whole)
    changed[whole.rindex(b"gpt-image-2.5")] ^= 1
    assert verify(whole).credentials.state == State.UNTRUSTED
    assert verify(bytes(changed)).credentials.state == State.INVALID


def test_xmp_written_after_signing_is_found(marker: Marker) -> None:
    """So it is never done: metadata first, the signature last."""
    whole = marker.mark(drawn("JPEG"), BY_A_MODEL, title="7.jpg").data
    packet = xmp.Packet(containers.xmp_in(whole))
    packet.set({xmp.AI_SYSTEM: "another"})
    found = verify(containers.with_xmp(whole, bytes(packet)))
    assert found.credentials.state == State.INVALID
    assert "assertion.dataHash.mismatch" in found.credentials.problems


def test_credentials_that_were_broken_before_are_said_so(marker: Marker, identity_folder: Path) -> None:
    master = signed_by_provider(drawn("PNG"), "image/png", identity_folder)
    end = master.index(b"IEND") - 4
    broken = master[:end] + b"\0\0\0\x01tEXta\x07\x00\x00\x00" + master[end:]
    found = marker.mark(broken, BY_A_MODEL, title="7.png")
    assert found.columns["provenance_check"] == "the provider's credentials were not valid before"
    assert found.columns["c2pa_state"] == "untrusted"
    unsigned = Marker(UNSIGNED, identity_folder).mark(broken, BY_A_MODEL, title="7.png")
    assert (unsigned.columns["c2pa_state"], unsigned.verdict.says_ai) == ("none", True), "nothing worth keeping"


def test_credentials_beyond_reading_do_not_keep_a_file_from_being_signed(marker: Marker, identity_folder: Path) -> None:
    master = signed_by_provider(drawn("WEBP"), "image/webp", identity_folder)
    unreadable = master.replace(b"jumdc2cl", b"jumdxxxx")
    assert unreadable != master
    found = marker.mark(unreadable, BY_A_MODEL, title="7.webp")
    assert found.columns["c2pa_state"] == "untrusted"
    assert found.columns["provenance_check"] == "credentials lost: the provider's could not be taken over"


def test_a_file_that_names_credentials_elsewhere_makes_nobody_ask_for_them(marker: Marker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.setblocking(False)
        said = (
            b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
            b'<rdf:Description rdf:about="" xmlns:dcterms="http://purl.org/dc/terms/" '
            b'dcterms:provenance="http://127.0.0.1:%d/7.c2pa"/></rdf:RDF></x:xmpmeta>' % elsewhere.getsockname()[1]
        )
        found = marker.mark(containers.with_xmp(drawn("JPEG"), said), BY_A_MODEL, title="7.jpg")
        assert found.columns["c2pa_state"] == "untrusted"
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_what_the_master_said_is_kept(marker: Marker) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Camera Co"
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    said = xmp.Packet()
    said.set({"dc:source": "their own archive"})
    packet = bytes(said).replace(
        b"</rdf:RDF>",
        b'<r:Description xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" r:about="" '
        b'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:Credit="Ada &amp; Co">'
        b"<photoshop:Instructions><![CDATA[a < b]]></photoshop:Instructions><!-- theirs --></r:Description></rdf:RDF>",
    )
    for kind in ("JPEG", "PNG", "WEBP"):
        data = drawn(kind, exif=exif, icc_profile=icc)
        master = containers.with_xmp(data, packet)
        found = marker.mark(master, BY_THE_DESK, title="7")
        written = containers.xmp_in(found.data) or b""
        assert b'photoshop:Credit="Ada &amp; Co"' in written
        assert b"<![CDATA[a < b]]>" in written
        assert b"<!-- theirs -->" in written
        assert found.verdict.fields[xmp.SOURCE] == "their own archive", "a path of this machine goes nowhere"
        with Image.open(io.BytesIO(found.data)) as image:
            assert image.info["icc_profile"] == icc
            assert image.getexif()[0x010F] == "Camera Co"
            assert image.info["xmp"] == written, "where others look for it"


def test_a_provider_that_says_generated_is_not_corrected(marker: Marker) -> None:
    said = xmp.Packet()
    said.set({xmp.DIGITAL_SOURCE_TYPE: f"{BASE}trainedAlgorithmicMedia"})
    found = marker.mark(containers.with_xmp(drawn("JPEG"), bytes(said)), BY_A_MODEL, title="7.jpg")
    assert found.verdict.source_type == f"{BASE}trainedAlgorithmicMedia"
    assert found.columns["digital_source_type_rule"] == "the file, or its source, says so of itself"


@pytest.mark.parametrize(
    ("origin", "term"),
    [
        (BY_THE_DESK, "algorithmicallyEnhanced"),
        (Origin(rounds=(replace(BY_THE_DESK.rounds[0], operations=("crop", "annotate")),)), "humanEdits"),
        (Origin(rounds=(replace(BY_THE_DESK.rounds[0], operations=("logo", "caption")),)), "composite"),
        (Origin(rounds=(BY_A_MODEL.rounds[0], BY_THE_DESK.rounds[0])), "compositeWithTrainedAlgorithmicMedia"),
        (replace(BY_THE_DESK, source_said=("digitalCapture", "trainedAlgorithmicMedia")), "trainedAlgorithmicMedia"),
        (Origin(rounds=(replace(BY_THE_DESK.rounds[0], provider="stranger"),)), "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_the_source_type_is_what_is_true_of_all_rounds(origin: Origin, term: str, tmp_path: Path) -> None:
    found = Marker(UNSIGNED, tmp_path).mark(drawn("JPEG"), origin, title="7.jpg")
    assert found.verdict.source_type == BASE + term


def test_a_destination_cannot_ask_to_hide_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="humanEdits"):
        Marker(UNSIGNED, tmp_path).mark(drawn("JPEG"), BY_A_MODEL, title="7.jpg", accepted_source_types=["humanEdits"])
    with pytest.raises(UsageError, match="shop: found 'digitalCapture'"):
        Marker(ProvenanceSettings(source_types={"shop": "digitalCapture"}), tmp_path)
    local = Marker(UNSIGNED, tmp_path).mark(
        drawn("JPEG"), BY_THE_DESK, title="7.jpg", accepted_source_types=["trainedAlgorithmicMedia"]
    )
    assert local.verdict.source_type == f"{BASE}algorithmicallyEnhanced", "nor to say that there was one"


HOSTILE = [
    "]]></rdf:li><script>alert(1)</script><!-- &amp; & \" '",
    "a\x00b\x08c\x1bd\ud800e\ufffef",
    "line\r\nline\rline\ttab  two",
    "<!DOCTYPE x [<!ENTITY a 'b'>]>&a;",
    "\u202e" + "👩‍🎨" * 3,
    "<" * 100_000,
]


@pytest.mark.parametrize("prompt", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_hostile_prompts_are_text_and_nothing_else(kind: str, prompt: str, identity_folder: Path) -> None:
    said = SIGNED.model_copy(update={"prompt": True, "prompt_writer": True})
    made = replace(BY_A_MODEL.rounds[0], prompt=prompt, asked_by=prompt[:300])
    found = Marker(said, identity_folder).mark(drawn(kind), Origin(rounds=(made,)), title=prompt[:300])
    assert not found.problems
    assert found.verdict.credentials.state == State.UNTRUSTED
    expected = xmp.plain(prompt).strip()
    read = found.verdict.fields[xmp.AI_PROMPT]
    if len(prompt) > MOST_PROMPT_CHARACTERS:
        assert read == f"{expected[:MOST_PROMPT_CHARACTERS]} […]"
        assert found.columns["provenance_check"] == "ok; the prompt was cut after 8000 characters"
    else:
        assert read == expected


def test_the_prompt_is_written_only_where_it_is_wanted(marker: Marker) -> None:
    assert b"Put it on white" not in marker.mark(drawn("JPEG"), BY_A_MODEL, title="7.jpg").data
    assert b"ada@example.com" not in marker.mark(drawn("JPEG"), BY_A_MODEL, title="7.jpg").data


def test_a_source_url_that_opens_something_secret_is_shortened(tmp_path: Path) -> None:
    url = "https://ada:pw@bucket.example.com/7.jpg?X-Amz-Signature=0123456789abcdef#top"
    found = Marker(UNSIGNED, tmp_path).mark(drawn("JPEG"), replace(BY_A_MODEL, source_uri=url), title="7.jpg")
    assert found.verdict.fields[xmp.SOURCE] == "https://bucket.example.com/7.jpg"


def test_what_cannot_carry_marks_is_written_as_it_is(tmp_path: Path) -> None:
    for data, why in (
        (drawn("GIF"), "only JPEG, PNG, WebP and TIFF files carry marks"),
        (drawn("PNG")[:60], "the file is damaged: a chunk at byte 33 ends nowhere"),
        (b"\xff\xd8\xff\xe1\xff", "the file is damaged: "),
    ):
        found = Marker(UNSIGNED, tmp_path).mark(data, BY_A_MODEL, title="7")
        assert found.data == data
        assert found.columns["provenance_check"].startswith(f"nothing was written into it: {why}")


@pytest.mark.parametrize(
    "packet",
    [
        b"<not xml",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<a/>",
        b"<a>" * 5000,
        b"\xff\xfe\x00",
        b"x" * 2_000_000,
    ],
)
def test_a_packet_that_cannot_be_read_is_replaced_and_said_so(packet: bytes, tmp_path: Path) -> None:
    master = containers.with_xmp(drawn("PNG"), packet)
    found = Marker(UNSIGNED, tmp_path).mark(master, BY_A_MODEL, title="7.png")
    assert found.verdict.source_type == f"{BASE}compositeWithTrainedAlgorithmicMedia"
    assert "its own XMP was replaced: " in found.columns["provenance_check"]


def test_where_the_library_is_missing_credentials_are_kept_unchecked(
    identity_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    master = signed_by_provider(drawn("JPEG"), "image/jpeg", identity_folder)
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = Marker(UNSIGNED, identity_folder).mark(master, BY_A_MODEL, title="7.jpg")
    assert (found.data, found.columns["c2pa_state"]) == (master, "unchecked")
    with pytest.raises(UsageError, match=r'pip install "picturedesk\[provenance\]"'):
        Marker(SIGNED, identity_folder)


def test_a_time_stamping_authority_that_does_not_answer_is_said_and_the_picture_still_marked(
    identity_folder: Path,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    away = Marker(SIGNED.model_copy(update={"tsa_url": url}), identity_folder)
    found = away.mark(drawn("JPEG"), BY_A_MODEL, title="7.jpg")
    assert found.columns["provenance_check"].startswith("it could not be signed: ")
    assert (found.columns["c2pa_state"], found.verdict.says_ai) == ("none", True)


def test_many_threads_sign_with_one_marker(marker: Marker) -> None:
    data = [drawn("JPEG", quality=quality) for quality in range(60, 84)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda each: marker.mark(each, BY_A_MODEL, title="7.jpg"), data))
    assert {each.columns["c2pa_state"] for each in found} == {"untrusted"}
    assert [pixels(each.data) for each in found] == [pixels(each) for each in data]
