"""Roles of people and tokens of machines: who may give them, what they open, and what the history keeps."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import audit, people, tokens
from pipeline.desk import Desk
from pipeline.errors import Conflict, Forbidden, NotFound, Unauthorized, UsageError
from pipeline.people import Person
from pipeline.settings import SignIn
from pipeline.states import Role
from pipeline.store import chain
from tests.test_cli import as_json, picturedesk

ADMIN = Person("root@example.com", Role.ADMIN)
APPROVER = Person("eve@example.com", Role.APPROVER)


def told(desk: Desk) -> list[tuple[str, str]]:
    """Kind and actor of every event."""
    with chain.history(desk.db) as history:
        return [(link.values["kind"], link.values["actor"]) for link in history.links()]


def test_a_role_of_ones_own_goes_before_what_the_groups_grant(desk: Desk) -> None:
    assert people.signed_in(desk, "ada@example.com", Role.VIEWER).role is Role.VIEWER
    people.set_role(desk, " Ada@Example.com", Role.APPROVER, by=ADMIN)
    assert people.signed_in(desk, "ada@example.com", Role.VIEWER) == Person("ada@example.com", Role.APPROVER)
    people.set_role(desk, "ada@example.com", Role.VIEWER, by=ADMIN)
    assert people.signed_in(desk, "ada@example.com", Role.ADMIN).role is Role.VIEWER
    people.remove(desk, "ADA@example.com", by=ADMIN)
    assert people.signed_in(desk, "ada@example.com", Role.REVIEWER).role is Role.REVIEWER
    assert told(desk) == [("person.role", ADMIN.name)] * 2 + [("person.removed", ADMIN.name)]
    assert audit.verify(desk).is_whole


def test_a_refusal_says_which_role_it_takes() -> None:
    with pytest.raises(Forbidden, match="is an approver and may not see the tokens; that takes an admin"):
        APPROVER.need(Role.ADMIN, "see the tokens")
    with pytest.raises(Forbidden, match="is a viewer and may not pause; that takes a requester"):
        Person("vera@example.com", Role.VIEWER).need(Role.REQUESTER, "pause")


def test_whoever_has_no_role_at_all_stays_outside(desk: Desk) -> None:
    with pytest.raises(Unauthorized, match="ask an admin"):
        people.signed_in(desk, "ada@example.com", None)
    people.set_role(desk, "ada@example.com", Role.REVIEWER, by=ADMIN)
    assert people.signed_in(desk, "ada@example.com", None).role is Role.REVIEWER


def test_only_an_admin_gives_roles_and_tokens(desk: Desk) -> None:
    _, kept = tokens.make(desk, name="import", role=Role.VIEWER, by=ADMIN)
    before = told(desk)
    for refused in (
        lambda: people.listed(desk, by=APPROVER),
        lambda: people.set_role(desk, APPROVER.name, Role.ADMIN, by=APPROVER),
        lambda: people.remove(desk, "ada@example.com", by=APPROVER),
        lambda: tokens.make(desk, name="mine", role=Role.ADMIN, by=APPROVER),
        lambda: tokens.revoke(desk, kept.id, by=APPROVER),
        lambda: tokens.listed(desk, by=APPROVER),
    ):
        with pytest.raises(Forbidden):
            refused()
    assert told(desk) == before
    assert people.listed(desk, by=ADMIN) == []


def test_a_token_is_kept_as_a_hash_and_opens_until_it_is_revoked(desk: Desk) -> None:
    token, kept = tokens.make(desk, name="import", role=Role.REVIEWER, by=ADMIN)
    assert token.startswith("pd_")
    assert len(token) > 40
    assert tokens.bearer(desk, token) == Person("token:import", Role.REVIEWER)
    desk.db.close()
    written = b"".join(path.read_bytes() for path in desk.root.glob("desk.db*"))
    assert token.encode() not in written
    assert not tokens.revoke(desk, kept.id, by=ADMIN).is_valid
    with pytest.raises(Unauthorized):
        tokens.bearer(desk, token)
    with pytest.raises(Conflict, match="revoked before"):
        tokens.revoke(desk, kept.id, by=ADMIN)
    assert told(desk) == [("token.made", ADMIN.name), ("token.revoked", ADMIN.name)]


def test_a_token_ends_by_itself(desk: Desk) -> None:
    token, kept = tokens.make(desk, name="import", role=Role.VIEWER, by=ADMIN, lifetime=timedelta(microseconds=1))
    assert kept.expires_at is not None
    assert kept.expires_at <= datetime.now(UTC)
    with pytest.raises(Unauthorized, match="over"):
        tokens.bearer(desk, token)


@pytest.mark.parametrize("token", ["pd_", "pd_x", "pd_\ud800", "pd_" + "9" * 100_000])
def test_no_other_text_opens_anything(desk: Desk, token: str) -> None:
    tokens.make(desk, name="import", role=Role.VIEWER, by=ADMIN)
    with pytest.raises(Unauthorized):
        tokens.bearer(desk, token)


def test_two_valid_tokens_do_not_share_a_name(desk: Desk) -> None:
    _, first = tokens.make(desk, name="import", role=Role.VIEWER, by=ADMIN)
    with pytest.raises(Conflict, match="import already"):
        tokens.make(desk, name="import", role=Role.ADMIN, by=ADMIN)
    tokens.revoke(desk, first.id, by=ADMIN)
    _, second = tokens.make(desk, name="import", role=Role.ADMIN, by=ADMIN)
    assert [(each.id, each.is_valid) for each in tokens.listed(desk, by=ADMIN)] == [
        (first.id, False),
        (second.id, True),
    ]


def test_what_makes_no_sense_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match="empty name"):
        tokens.make(desk, name=" ", role=Role.VIEWER, by=ADMIN)
    with pytest.raises(UsageError, match="lifetime"):
        tokens.make(desk, name="import", role=Role.VIEWER, by=ADMIN, lifetime=timedelta())
    with pytest.raises(UsageError, match="empty name"):
        people.set_role(desk, " ", Role.VIEWER, by=ADMIN)
    with pytest.raises(NotFound):
        people.remove(desk, "ada@example.com", by=ADMIN)
    with pytest.raises(NotFound):
        tokens.revoke(desk, 7, by=ADMIN)
    assert told(desk) == []


def test_where_people_sign_in_the_last_admin_stays_one(tmp_path: Path) -> None:
    desk = Desk.open(tmp_path / "desk", create=True, sign_in=SignIn(proxy_header="X-Forwarded-Email"))
    people.set_role(desk, "ada@example.com", Role.ADMIN, by=ADMIN)
    with pytest.raises(Conflict, match="last admin"):
        people.set_role(desk, "Ada@example.com", Role.APPROVER, by=ADMIN)
    with pytest.raises(Conflict, match="last admin"):
        people.remove(desk, "ada@example.com", by=ADMIN)
    people.set_role(desk, "ada@example.com", Role.ADMIN, by=ADMIN)
    people.set_role(desk, "bob@example.com", Role.ADMIN, by=ADMIN)
    people.remove(desk, "ada@example.com", by=ADMIN)
    assert [(each.name, each.role) for each in people.listed(desk, by=ADMIN)] == [("bob@example.com", Role.ADMIN)]
    desk.close()


def test_the_last_admin_may_go_where_a_group_grants_it_or_nobody_signs_in(desk: Desk, tmp_path: Path) -> None:
    by_group = SignIn(proxy_header="X-Forwarded-Email", roles={"leads": Role.ADMIN})
    for each in (desk, Desk.open(tmp_path / "other", create=True, sign_in=by_group)):
        people.set_role(each, "ada@example.com", Role.ADMIN, by=ADMIN)
        people.remove(each, "ada@example.com", by=ADMIN)
        assert people.listed(each, by=ADMIN) == []
        each.close()


@pytest.mark.parametrize("name", ["x" * 255, "ada\n@example.com", "a\u202eb"])
def test_a_name_that_no_sign_in_gives_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(UsageError, match="no sign-in gives"):
        people.set_role(desk, name, Role.VIEWER, by=ADMIN)


def test_the_command_gives_roles_and_takes_them_away(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    picturedesk(folder, "init", str(folder))
    assert picturedesk(folder, "people", "set", "Ada@example.com", "approver") == "ada@example.com is approver.\n"
    (ada,) = as_json(folder, "people", "list")["people"]
    assert (ada["name"], ada["role"]) == ("ada@example.com", "approver")
    assert "ada@example.com" in picturedesk(folder, "people", "list")
    picturedesk(folder, "people", "set", "ada@example.com", "king", expect=2)
    picturedesk(folder, "people", "remove", "ada@example.com")
    assert as_json(folder, "people", "list")["people"] == []
    picturedesk(folder, "people", "remove", "ada@example.com", expect=1)


def test_the_command_shows_a_token_once(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    picturedesk(folder, "init", str(folder))
    token = picturedesk(folder, "token", "make", "--name", "import", "--role", "viewer", "--days", "30").strip()
    with_json = as_json(folder, "token", "make", "--name", "other", "--role", "reviewer")
    assert token.startswith("pd_")
    assert (with_json["token"][:3], with_json["role"], with_json["expires_at"]) == ("pd_", "reviewer", None)
    listed = picturedesk(folder, "token", "list", "--json")
    assert token not in listed
    assert with_json["token"] not in listed
    assert [(each["id"], each["name"], each["valid"]) for each in json.loads(listed)["tokens"]] == [
        (1, "import", True),
        (2, "other", True),
    ]
    assert picturedesk(folder, "token", "revoke", "1") == "Token 1 (import) is revoked.\n"
    assert "revoked" in picturedesk(folder, "token", "list")
    picturedesk(folder, "token", "revoke", "1", expect=1)
