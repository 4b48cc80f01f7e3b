"""What a person must see: a policy applied to flags. Pure.

A policy is a list of rules; an edit goes to review if any rule holds. A condition is a table:

- ``all = [...]``, ``any = [...]``, ``not = {...}`` combine conditions;
- ``kind``, ``change``, ``level``, ``label``, ``score`` hold if one flag fits them all;
- ``recipe``, ``provider``, ``outputs``, ``cost_usd``, ``round`` look at the edit.

A word fits itself or any of a list; ``label`` fits as a part of what was read, in any case; a number fits exactly, or
by a table of ``at_least``, ``at_most``, ``above``, ``below``. The form follows Amazon A2I's activation conditions
(https://docs.aws.amazon.com/sagemaker/latest/dg/a2i-human-fallback-conditions-json-schema.md, read 2026-11-20).
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PolicyError
from pipeline.flag_lines import flag_line
from pipeline.recipes import Recipe
from pipeline.values import Change, Flag, Kind, Level, Route

FILE_NAME = "policy.toml"

DEFAULT_FILE = """\
# What a person must see. See docs/policy.md.

review_everything = false
# An edit that introduced or altered something is always reviewed. Something that the source had
# already and that the edit kept is reviewed if its kind stands here.
always_review = ["logo", "text", "face"]
# What the edit lost is reviewed, too, unless its kind stands here: ["text"] for a desk that removes it.
may_be_lost = []
# Of what the policy approves by itself, this share is reviewed all the same, unmarked.
sample_share = 0.05
sample_seed = "picturedesk"
# If people reject so much of the sample that, at 95 %, more than this share of what the policy approves is
# bad, it stops approving: every edit is reviewed until the policy is changed. Leave it out to go on all the same.
most_bad = 0.05
# So many people must approve an edit that comes to review; if they disagree, an approver decides.
approvals = 1
# An asset with so many rounds is asked for again by an approver only.
most_rounds = 5

# Further rules, such as:
# [[rule]]
# name = "expensive, or a logo we are sure of"
# when = { any = [{ cost_usd = { above = 0.5 } }, { all = [{ kind = "logo", level = "sure" }] }] }
"""

UNSAID = "the policy asks for a person"
"""A reviewer reads this for every reason that cannot be seen on the pictures."""

MEANINGS: Mapping[str, str] = {
    "review_everything": "every edit is reviewed",
    "always_review": "kinds that are reviewed even if the source had them already and the edit kept them",
    "may_be_lost": 'kinds whose loss is no reason to ask a person, such as `["text"]` for a desk that removes it',
    "sample_share": "share of what the policy would approve by itself that is reviewed all the same, unmarked",
    "sample_seed": "makes the draw repeatable: the same edit is drawn, or not, every time",
    "most_bad": "the policy stops approving once people's decisions on its sample say, at 95 %, that more than this "
    "share of what it approves is bad; left out: never",
    "approvals": "how many people must approve an edit that comes to review; if they disagree, an approver decides; on "
    "a desk where nobody signs in, its one user is enough",
    "most_rounds": "an asset with so many rounds is asked for again by an approver only",
}
"""What a policy's keys say, in Markdown; `docs/policy.md` has the same words."""

MOST_CHARACTERS = 100_000
_KEYS = (*MEANINGS, "rule")
_MOST = 100
_FLAG_FIELDS = {"kind": Kind, "change": Change, "level": Level, "label": str, "score": float}
_EDIT_FIELDS = {"recipe": str, "provider": str, "outputs": float, "cost_usd": float, "round": float}
_COMPARISONS = {
    "at_least": lambda value, limit: value >= limit,
    "at_most": lambda value, limit: value <= limit,
    "above": lambda value, limit: value > limit,
    "below": lambda value, limit: value < limit,
}

Condition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to ask a person.

    Attributes:
        name: The reason in words.
        when: The condition.
    """

    name: str
    when: Condition


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, checked.

    Attributes:
        review_everything: Whether every edit is reviewed.
        always_review: Kinds that are reviewed even if the edit kept them as they were.
        may_be_lost: Kinds whose loss needs no person.
        sample_share: Share of what the policy approves that is reviewed all the same, in [0, 1].
        sample_seed: Makes the draw repeatable.
        most_bad: Share of bad ones among what the policy approves that stops it, in [0, 1]; None for never.
        approvals: How many people must approve an edit that comes to review.
        most_rounds: So many rounds of an asset may be asked for by anyone who reviews; more by an approver.
        rules: Further reasons.
        hash: Names this policy in every route and decision.
    """

    review_everything: bool
    always_review: frozenset[Kind]
    may_be_lost: frozenset[Kind]
    sample_share: float
    sample_seed: str
    most_bad: float | None
    approvals: int
    most_rounds: int
    rules: tuple[Rule, ...]
    hash: str


@dataclass(frozen=True, slots=True)
class Case:
    """An edit as a policy sees it.

    Attributes:
        name: Stable over runs and machines: batch, asset, variant and round; the sample is drawn by it.
        flags: Of all outputs.
        outputs: How many there are to choose from.
        cost_usd: What the edit cost; infinite if that is not known.
        recipe_rule: What the recipe's own review rule says, or "".
    """

    name: str
    flags: Sequence[Flag]
    outputs: int
    recipe: str
    provider: str
    cost_usd: float
    round: int
    recipe_rule: str = ""


def route(case: Case, policy: Policy) -> Route:
    """Whether a person must look, with every reason."""
    reasons = tuple(dict.fromkeys(_reasons(case, policy)))
    if reasons:
        return Route(to_review=True, is_sample=False, reasons=reasons, policy_hash=policy.hash)
    if _draw(case.name, policy.sample_seed) < policy.sample_share:
        reason = f"sampled at {policy.sample_share:.1%} of what the policy approves"
        return Route(to_review=True, is_sample=True, reasons=(reason,), policy_hash=policy.hash)
    return Route(to_review=False, is_sample=False, reasons=("nothing to look at",), policy_hash=policy.hash)


def shown_reasons(reasons: Sequence[str], flags: Sequence[Flag], *, outputs: int) -> tuple[str, ...]:
    """Of a route's reasons, what a reviewer may read: nothing that tells a sampled edit from another.

    What can be seen on the pictures is said: flags, and several outputs to choose from. Every other reason, be it a
    rule, a recipe's rule, the review of everything, or the sample, becomes the same words: if rules were named, what
    has neither a flag nor a rule would be known for a sample.

    Args:
        reasons: Of the route.
        flags: Of all outputs.
        outputs: How many there are.
    """
    seen = {_describe(flag) for flag in flags}
    if outputs > 1:
        seen.add(_several(outputs))
    shown = [reason if reason in seen else UNSAID for reason in reasons]
    return tuple(dict.fromkeys(sorted(shown, key=UNSAID.__eq__)))


def needs_person(case: Case, policy: Policy) -> bool:
    """Whether the policy has a reason to ask a person, the sample apart; quicker than `route`, which says them all."""
    return next(_reasons(case, policy), None) is not None


def case_name(batch: str, asset: str, variant: str, round_number: int) -> str:
    """What the sample is drawn by."""
    return f"{batch}\0{asset}\0{variant}\0{round_number}"


def recipe_rule(recipe: Recipe | None) -> str:
    """What a recipe says of the review; "" if it leaves that to the policy."""
    return f"recipe {recipe.name} is always reviewed" if recipe and recipe.always_reviewed else ""


def read_policy(path: Path) -> Policy:
    """The policy in this file; the default policy if there is no such file.

    Raises:
        PolicyError: The file cannot be read, or says something that no policy can; names the place.
    """
    return parse_policy_text(policy_text(path), str(path))


def policy_text(path: Path) -> str:
    """What stands in this file; the default policy if there is no such file.

    Raises:
        PolicyError: It is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return DEFAULT_FILE
    except UnicodeDecodeError as exc:
        raise PolicyError(f"{path}: {exc}; mend the file, or move it away to use the default policy") from exc


def parse_policy_text(text: str, name: str = "") -> Policy:
    """The policy in this text.

    Args:
        text: TOML.
        name: What a message begins with, such as the file's path.

    Raises:
        PolicyError: It is no TOML, or says something that no policy can; names the line, and what was expected.
    """
    start = f"{name}: " if name else ""
    if len(text) > MOST_CHARACTERS:
        raise PolicyError(f"{start}found {len(text)} characters; expected at most {MOST_CHARACTERS}")
    try:
        return parse_policy(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        said = "tables within tables without end" if isinstance(exc, RecursionError) else str(exc)
        raise PolicyError(f"{start}{said}; expected TOML, such as: sample_share = 0.05") from exc
    except PolicyError as exc:
        raise PolicyError(f"{start}{_line_of(str(exc), text)}{exc}") from exc


def _line_of(message: str, text: str) -> str:
    """Where the key or the rule stands that a message begins with, as in ``line 7, ``."""
    found = re.match(r"(?:policy: found )?(\w+)(?: (\d+))?", message)
    if found is None:
        return ""
    pattern = r"\[\[\s*rule\s*\]\]" if found[2] else rf"[\"']?{found[1]}[\"']?\s*="
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if re.match(rf"\s*{pattern}", line)]
    wanted = int(found[2] or 1) - 1
    return f"line {lines[wanted]}, " if wanted < len(lines) else ""


def parse_policy(data: Mapping[str, Any]) -> Policy:
    """The policy in this table.

    Raises:
        PolicyError: A key or value does not fit.
    """
    _refuse_unknown(data, _KEYS, "policy")
    everything = data.get("review_everything", False)
    if not isinstance(everything, bool):
        raise PolicyError(f"review_everything: found {everything!r}; expected true or false")
    return Policy(
        review_everything=everything,
        always_review=_kinds(data, "always_review", ["logo", "text", "face"]),
        may_be_lost=_kinds(data, "may_be_lost", []),
        sample_share=_share(data.get("sample_share", 0.05), "sample_share"),
        sample_seed=str(data.get("sample_seed", "picturedesk")),
        most_bad=None if "most_bad" not in data else _share(data["most_bad"], "most_bad"),
        approvals=_count(data, "approvals", default=1),
        most_rounds=_count(data, "most_rounds", default=5),
        rules=tuple(_rule(number, rule) for number, rule in enumerate(_tables(data.get("rule", [])), start=1)),
        hash=hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:16],
    )


def _share(found: object, key: str) -> float:
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found <= 1:
        raise PolicyError(f"{key}: found {found!r}; expected a number from 0 to 1")
    return float(found)


def _count(data: Mapping[str, Any], key: str, *, default: int) -> int:
    found = data.get(key, default)
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= _MOST:
        raise PolicyError(f"{key}: found {found!r}; expected a whole number from 1 to {_MOST}")
    return found


def _kinds(data: Mapping[str, Any], key: str, default: list[str]) -> frozenset[Kind]:
    return frozenset(Kind(_word(kind, Kind, key)) for kind in _list(data.get(key, default)))


def _reasons(case: Case, policy: Policy) -> Iterator[str]:
    if policy.review_everything:
        yield "the policy reviews everything"
    yield from (_describe(flag) for flag in case.flags if _needs_person(flag, policy))
    if case.outputs > 1:
        yield _several(case.outputs)
    if case.recipe_rule:
        yield case.recipe_rule
    yield from (rule.name for rule in policy.rules if _holds(rule.when, case))


def _several(outputs: int) -> str:
    return f"{outputs} outputs to choose from"


def _needs_person(flag: Flag, policy: Policy) -> bool:
    match flag.change:
        case Change.KEPT:
            return flag.detection.kind in policy.always_review
        case Change.LOST:
            return flag.detection.kind not in policy.may_be_lost
        case _:
            return True


def _describe(flag: Flag) -> str:
    if flag.detection.kind is Kind.DETECTOR:
        return f"a detector failed: {flag.detection.label}"
    return flag_line(flag)


def _draw(name: str, seed: str) -> float:
    """A number in [0, 1) that depends on nothing but the name and the seed."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _holds(when: Condition, case: Case) -> bool:
    parts = []
    for key, value in when.items():
        if key == "all":
            parts.append(all(_holds(condition, case) for condition in value))
        elif key == "any":
            parts.append(any(_holds(condition, case) for condition in value))
        elif key == "not":
            parts.append(not _holds(value, case))
        elif key in _EDIT_FIELDS:
            parts.append(_fits(getattr(case, key), value))
    of_flag = {key: value for key, value in when.items() if key in _FLAG_FIELDS}
    if of_flag:
        parts.append(any(all(_flag_fits(flag, k, v) for k, v in of_flag.items()) for flag in case.flags))
    return all(parts)


def _flag_fits(flag: Flag, key: str, wanted: object) -> bool:
    if key == "change":
        return _fits(flag.change.value, wanted)
    found = getattr(flag.detection, key)
    if key == "label":
        return any(str(part).casefold() in found.casefold() for part in _list(wanted))
    return _fits(found, wanted)


def _fits(found: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping):
        return all(_COMPARISONS[name](found, limit) for name, limit in wanted.items())
    return found in _list(wanted)


def _tables(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise PolicyError(f"rule: found {found!r}; expected tables, each begun by [[rule]]")
    return found


def _rule(number: int, data: object) -> Rule:
    where = f"rule {number}"
    if not isinstance(data, Mapping) or not isinstance(data.get("name"), str) or "when" not in data:
        raise PolicyError(f"{where}: found {data!r}; expected a name and a condition `when`")
    _refuse_unknown(data, ("name", "when"), where)
    _check_condition(data["when"], where)
    return Rule(data["name"], data["when"])


def _check_condition(when: object, where: str) -> None:
    if not isinstance(when, Mapping) or not when:
        raise PolicyError(f"{where}: found {when!r}; expected a table with at least one condition")
    _refuse_unknown(when, ("all", "any", "not", *_FLAG_FIELDS, *_EDIT_FIELDS), where)
    for key, value in when.items():
        if key in ("all", "any"):
            if not isinstance(value, list):
                raise PolicyError(f"{where}, {key}: found {value!r}; expected a list of conditions")
            for condition in value:
                _check_condition(condition, where)
        elif key == "not":
            _check_condition(value, where)
        else:
            _check_value(value, {**_FLAG_FIELDS, **_EDIT_FIELDS}[key], f"{where}, {key}")


def _check_value(value: object, kind: type, where: str) -> None:
    if isinstance(value, Mapping):
        if kind is not float:
            raise PolicyError(f"{where}: found a table; expected a word or a list of words")
        _refuse_unknown(value, tuple(_COMPARISONS), where)
        for limit in value.values():
            _check_value(limit, float, where)
        return
    for item in _list(value):
        if kind is float:
            if not isinstance(item, int | float) or isinstance(item, bool):
                raise PolicyError(f"{where}: found {item!r}; expected a number, or a table such as {{above = 0.5}}")
        else:
            _word(item, kind, where)


def _word(item: object, kind: type, where: str) -> str:
    if kind is str and isinstance(item, str):
        return item
    known = [str(member.value) for member in kind] if kind is not str else []  # type: ignore[attr-defined]
    if item not in known:
        raise PolicyError(f"{where}: found {item!r}; expected {'one of ' + ', '.join(known) if known else 'a word'}")
    return str(item)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _refuse_unknown(data: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    unknown = [key for key in data if key not in known]
    if unknown:
        raise PolicyError(f"{where}: found {', '.join(unknown)}; expected only {', '.join(known)}")
