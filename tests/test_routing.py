"""What a person must see."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PolicyError
from pipeline.routing import (
    MEANINGS,
    UNSAID,
    Case,
    Policy,
    needs_person,
    parse_policy,
    parse_policy_text,
    read_policy,
    route,
    shown_reasons,
)
from pipeline.values import Change, Detection, Flag, Kind, Level


def flag(kind: Kind, change: Change, *, score: float = 0.9, label: str = "") -> Flag:
    return Flag(Detection(kind, (0, 0, 10, 10), score, Level.SURE, label, "test", "1"), change)


def case(
    *flags: Flag, name: str = "a", outputs: int = 1, cost_usd: float = 0, recipe: str = "", rule: str = ""
) -> Case:
    return Case(name, flags, outputs, recipe, "local", cost_usd, 1, rule)


NO_SAMPLE = {"sample_share": 0}


def test_nothing_found_is_approved_by_the_policy() -> None:
    assert not route(case(), parse_policy(NO_SAMPLE)).to_review


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("change", [Change.INTRODUCED, Change.ALTERED])
def test_whatever_the_edit_introduced_or_altered_is_reviewed(kind: Kind, change: Change) -> None:
    policy = parse_policy({**NO_SAMPLE, "always_review": []})
    assert route(case(flag(kind, change)), policy).to_review


def test_what_was_kept_is_reviewed_only_if_its_kind_always_is() -> None:
    policy = parse_policy({**NO_SAMPLE, "always_review": ["face"]})
    assert route(case(flag(Kind.FACE, Change.KEPT)), policy).to_review
    assert not route(case(flag(Kind.TEXT, Change.KEPT)), policy).to_review


def test_what_was_lost_is_a_reason_unless_the_policy_lets_its_kind_go() -> None:
    lost = case(flag(Kind.TEXT, Change.LOST))
    assert route(lost, parse_policy(NO_SAMPLE)).reasons == ("text lost: unreadable",)
    policy = parse_policy({**NO_SAMPLE, "may_be_lost": ["text"]})
    assert not route(lost, policy).to_review
    assert route(case(flag(Kind.LOGO, Change.LOST)), policy).to_review


def test_review_everything_reviews_everything() -> None:
    assert route(case(), parse_policy({"review_everything": True})).to_review


def test_several_outputs_are_for_a_person_to_choose_from() -> None:
    assert route(case(outputs=2), parse_policy(NO_SAMPLE)).to_review


def test_a_recipes_own_rule_is_kept_as_the_reason() -> None:
    assert route(case(rule="recipe x is always reviewed"), parse_policy(NO_SAMPLE)).reasons == (
        "recipe x is always reviewed",
    )


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"cost_usd": {"above": 0.5}}, True),
        ({"cost_usd": {"above": 0.7}}, False),
        ({"cost_usd": {"at_least": 0.6, "below": 0.7}}, True),
        ({"recipe": "outpaint"}, True),
        ({"recipe": ["other", "outpaint"]}, True),
        ({"kind": "text", "label": "sale"}, True),
        ({"kind": "logo", "label": "sale"}, False),
        ({"kind": "text", "score": {"below": 0.5}}, False),
        ({"not": {"kind": "face"}}, True),
        ({"all": [{"kind": "text"}, {"kind": "logo"}]}, True),
        ({"any": [{"kind": "face"}, {"recipe": "outpaint"}]}, True),
        ({"any": []}, False),
    ],
)
def test_rules_combine_conditions_on_flags_and_edit(when: dict[str, object], holds: bool) -> None:
    policy = parse_policy({**NO_SAMPLE, "always_review": [], "rule": [{"name": "mine", "when": when}]})
    seen = case(
        flag(Kind.TEXT, Change.KEPT, label="Summer SALE"), flag(Kind.LOGO, Change.KEPT), cost_usd=0.6, recipe="outpaint"
    )
    assert route(seen, policy).reasons == (("mine",) if holds else ("nothing to look at",))


def test_the_sample_is_the_same_every_time_and_about_as_large_as_asked() -> None:
    policy = parse_policy({"sample_share": 0.2})
    drawn = [route(case(name=str(n)), policy).is_sample for n in range(2000)]
    assert drawn == [route(case(name=str(n)), policy).is_sample for n in range(2000)]
    assert 0.16 < sum(drawn) / 2000 < 0.24


def test_another_seed_draws_another_sample() -> None:
    first, second = (parse_policy({"sample_share": 0.5, "sample_seed": seed}) for seed in "ab")
    assert [route(case(name=str(n)), first).is_sample for n in range(50)] != [
        route(case(name=str(n)), second).is_sample for n in range(50)
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"sample_share": 2}, "from 0 to 1"),
        ({"sample_share": True}, "from 0 to 1"),
        ({"always_review": ["faces"]}, "one of face"),
        ({"reveiw_everything": True}, "reveiw_everything"),
        ({"rule": [{"name": "x"}]}, "rule 1"),
        ({"rule": [{"name": "x", "when": {"kin": "face"}}]}, "kin"),
        ({"rule": [{"name": "x", "when": {"score": "high"}}]}, "a number"),
        ({"rule": [{"name": "x", "when": {"cost_usd": {"over": 1}}}]}, "over"),
    ],
)
def test_a_wrong_policy_says_where_and_what(data: dict[str, object], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        parse_policy(data)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("review_everything = ")
    with pytest.raises(PolicyError, match=r"policy\.toml"):
        read_policy(tmp_path / "policy.toml")


flags = st.builds(
    flag, st.sampled_from(Kind), st.sampled_from(Change), score=st.floats(0, 1), label=st.text(max_size=8)
)


@given(st.lists(flags, max_size=5), flags)
def test_a_further_flag_never_takes_an_edit_out_of_review(found: list[Flag], more: Flag) -> None:
    policy = parse_policy(NO_SAMPLE)
    if route(case(*found), policy).to_review:
        assert route(case(*found, more), policy).to_review


@given(st.lists(flags, max_size=3), st.sets(st.sampled_from(Kind)), st.integers(1, 2), st.booleans())
def test_whether_a_person_is_needed_is_what_the_route_says_the_sample_apart(
    found: list[Flag], kinds: set[Kind], outputs: int, has_rule: bool
) -> None:
    rules = [{"name": "score", "when": {"score": {"above": 0.5}}}] if has_rule else []
    data = {"always_review": sorted(kinds), "may_be_lost": sorted(kinds), "sample_share": 0.5, "rule": rules}
    each, policy = case(*found, outputs=outputs), parse_policy(data)
    routed = route(each, policy)
    assert needs_person(each, policy) == (routed.to_review and not routed.is_sample)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("approvals = 1\nsample_share = 7", r"^p: line 2, sample_share: found 7; expected a number"),
        ("\nreveiw = true", r"^p: line 2, policy: found reveiw; expected only"),
        ('[[rule]]\nname = "a"\nwhen = {round = 1}\n\n[[rule]]\nname = "b"', r"^p: line 5, rule 2: found"),
        ("rule = 5", r"^p: line 1, rule: found 5; expected tables, each begun by"),
        ("approvals =", r"^p: Invalid value .*; expected TOML"),
        ("a = " + "[" * 5000, r"^p: .*expected TOML"),
        ("#" * 100_001, r"^p: found 100001 characters; expected at most 100000"),
    ],
)
def test_a_wrong_text_says_in_which_line(text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        parse_policy_text(text, "p")


def test_the_page_about_the_policy_says_what_the_keys_mean() -> None:
    page = (Path(__file__).parent.parent / "docs" / "policy.md").read_text("utf-8")
    assert [key for key, meaning in MEANINGS.items() if f"| `{key}` | {meaning} |" not in page] == []


def shown(each: Case, policy: Policy) -> tuple[str, ...]:
    return shown_reasons(route(each, policy).reasons, each.flags, outputs=each.outputs)


def test_a_reviewer_reads_what_can_be_seen_and_no_more() -> None:
    """A rule's name would tell whatever has neither a flag nor a rule for a sample."""
    rules = [{"name": "expensive", "when": {"cost_usd": {"above": 1}}}]
    policy = parse_policy({"sample_share": 1, "always_review": ["face"], "rule": rules})
    face, kept_text = flag(Kind.FACE, Change.KEPT), flag(Kind.TEXT, Change.KEPT, label="SALE")
    assert shown(case(), policy) == (UNSAID,)  # the sample
    assert shown(case(kept_text), policy) == (UNSAID,)  # the sample, too: this flag is no reason
    assert shown(case(cost_usd=2), policy) == shown(case(rule="a recipe's rule"), policy) == (UNSAID,)
    assert shown(case(), parse_policy({"review_everything": True})) == (UNSAID,)
    assert shown(case(face), policy) == ("face kept, 0.90",)
    assert shown(case(face, cost_usd=2, outputs=2), policy) == ("face kept, 0.90", "2 outputs to choose from", UNSAID)
    assert shown(case(rule="face kept, 0.90"), policy) == (UNSAID,)
