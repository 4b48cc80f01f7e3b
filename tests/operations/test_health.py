"""Who is told what by /healthz, /readyz and /metrics, and that the numbers are right."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pipeline.blobs import BlobStore
from pipeline.desk import Desk
from pipeline.health import Health
from pipeline.health_routes import health_routes
from pipeline.metrics import Metrics
from pipeline.states import Role
from pipeline.store import measuring
from review_app.api import routes
from tests import postgres
from tests.buckets import new_bucket, options
from tests.desks import BATCH, COST_MICROUSD, add_doubtful, build_desk, new_desk
from tests.review_app.calling import Caller, decision, ticket, token

ROOT = Path(__file__).parent.parent.parent
HERE = "http://localhost:8501"


@pytest.fixture
def small_desk(tmp_path: Path) -> Iterator[Desk]:
    opened = build_desk(tmp_path / "desk")
    yield opened
    opened.close()


@pytest.fixture
def metrics(small_desk: Desk) -> Iterator[Metrics]:
    opened = Metrics(small_desk)
    yield opened
    opened.close()


def client(desk: Desk, metrics: Metrics, *, address: str = "127.0.0.1", trusts: bool = True) -> TestClient:
    served = Starlette(routes=[*health_routes(desk, metrics, trusts_loopback=trusts), *routes(desk)])
    return TestClient(served, base_url=HERE, client=(address, 50_000))


def numbers(text: str) -> dict[str, float]:
    """By the sample's name and labels, as in ``picturedesk_edits{state=queued}``."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_the_numbers_are_those_of_the_desk_and_name_nobody(small_desk: Desk, metrics: Metrics) -> None:
    add_doubtful(small_desk)
    with client(small_desk, metrics) as opened:
        approver = Caller(opened, ticket(small_desk, Role.APPROVER))
        (claim,) = approver.claim(count=1)
        assert approver.post("decisions", **decision(claim, "accept")).status_code == 200
        assert approver.post("decisions", **decision(claim, "reject", reason="logo")).status_code == 409
        approver.claim(count=2)
        text = opened.get("/metrics").text
    found = numbers(text)
    states = {name: n for name, n in found.items() if name.startswith("picturedesk_edits{") and n}
    assert states == {
        "picturedesk_edits{state=in_review}": 3,
        "picturedesk_edits{state=approved}": 2,
        "picturedesk_edits{state=refused}": 1,
        "picturedesk_edits{state=in_doubt}": 1,
    }
    assert found["picturedesk_database_up"] == 1
    assert found["picturedesk_claims_held"] == 2
    assert found["picturedesk_charged_microusd_total"] == 5 * COST_MICROUSD
    assert found["picturedesk_requests_in_doubt"] == 1
    assert found["picturedesk_in_doubt_microusd"] == found["picturedesk_reserved_microusd"] == COST_MICROUSD
    assert found["picturedesk_decision_duration_seconds_count{decision=accept}"] == 1
    assert found["picturedesk_errors_total{code=conflict}"] == 1
    route = "method=POST,route=/api/page/decisions,status=409"
    assert found[f"picturedesk_http_request_duration_seconds_count{{{route}}}"] == 1
    assert 0 <= found["picturedesk_oldest_waiting_seconds{state=in_review}"] < 600
    assert [each for each in (BATCH, "knife", "approver@", str(small_desk.root)) if each in text] == []


def test_postgresql_counts_the_same(tmp_path: Path, small_desk: Desk) -> None:
    with postgres.desks_are_in_it():
        (tmp_path / "other").mkdir()
        other = build_desk(tmp_path / "other")
        found, expected = measuring.figures(other.db), measuring.figures(small_desk.db)
        assert measuring.form_of_tables(other.db) == measuring.newest_form()
        other.close()
    assert found.oldest_in_review is not None
    assert replace(found, oldest_in_review=expected.oldest_in_review) == expected


def test_the_handbook_lists_what_is_served_and_nothing_else(metrics: Metrics) -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `(picturedesk_\w+)`[^|]*\| (\w+) \|", page, re.MULTILINE))
    assert listed == metrics.names()


def test_the_metrics_are_read_from_this_machine_or_with_a_token(small_desk: Desk, metrics: Metrics) -> None:
    with client(small_desk, metrics) as here:
        assert here.get("/metrics").status_code == 200
        for headers in ({"X-Forwarded-For": "203.0.113.9"}, {"Host": "evil.example"}, {"Via": "1.1 proxy"}):
            assert here.get("/metrics", headers=headers).status_code == 401, headers
    with client(small_desk, metrics, trusts=False) as proxied, client(small_desk, metrics, address="10.0.0.9") as far:
        for opened in (proxied, far):
            answer = opened.get("/metrics")
            assert (answer.status_code, "picturedesk_" in answer.text) == (401, False)
            viewer, revoked = token(small_desk, Role.VIEWER), token(small_desk, Role.ADMIN, is_revoked=True)
            for sent, status in ((viewer, 200), (revoked, 401), (ticket(small_desk, Role.ADMIN), 401), ("", 401)):
                assert opened.get("/metrics", headers={"Authorization": f"Bearer {sent}"}).status_code == status
            small_desk.settings.metrics = "open"
            assert opened.get("/metrics").status_code == 200
            small_desk.settings.metrics = "token"
            _revoke_all(small_desk)


def _revoke_all(desk: Desk) -> None:
    from pipeline import tokens
    from tests.review_app.calling import ADMIN

    for each in tokens.listed(desk, by=ADMIN):
        if each.is_valid:
            tokens.revoke(desk, each.id, by=ADMIN)


def test_a_broken_part_is_named_without_its_address_and_shows_again_when_it_is_well(
    small_desk: Desk, metrics: Metrics
) -> None:
    hour = [0.0]
    health = Health(small_desk, clock=lambda: hour[0])
    assert health.now().is_ready
    database = small_desk.root / "desk.db"
    small_desk.db.close()
    aside = database.rename(database.with_name("aside"))
    database.mkdir()  # SQLite would make a file that is missing
    assert health.now().is_ready, "what was found holds for three seconds"
    hour[0] = 3.0
    assert dict(health.now().parts) == {"database": "does not answer", "tables": "not known", "pictures": "ok"}
    with client(small_desk, metrics) as opened:
        answer = opened.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "not ready", **health.now().parts}
        assert opened.get("/healthz").status_code == 200, "the process lives all the same"
        assert numbers(opened.get("/metrics").text)["picturedesk_database_up"] == 0
    database.rmdir()
    aside.rename(database)
    hour[0] = 6.0
    assert health.now().is_ready
    with small_desk.db.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    hour[0] = 9.0
    assert health.now().parts["tables"] == "newer than this program: update it"


def test_a_bucket_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    url, hour = new_bucket(), [0.0]
    desk = new_desk(tmp_path / "desk", blobs=url, blobs_options=options())
    assert Health(desk).now().is_ready
    nobody = replace(
        desk.blobs.place, options=tuple(sorted({**options(), "aws_endpoint": "http://127.0.0.1:9"}.items()))
    )
    desk.blobs = BlobStore(nobody)
    health = Health(desk, clock=lambda: hour[0])
    assert dict(health.now().parts) == {"database": "ok", "tables": "ok", "pictures": "their bucket does not answer"}
    desk.close()
