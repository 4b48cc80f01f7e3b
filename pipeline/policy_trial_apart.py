"""A policy tried in a process of its own, so that a long trial keeps nobody waiting who is served by this one.

python -m pipeline.policy_trial_apart DESK LAST < policy.toml
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.desk import Desk
from pipeline.errors import StoreError
from pipeline.people import Person, local_person
from pipeline.policy_trial import Load, Moved, Part, Trial, try_policy
from pipeline.routing import parse_policy_text
from pipeline.states import Role

WORTH_IT = 10_000
"""Edits that take 0.3 s of CPU; to start a process takes 0.6 s (our measurement, 2026-11-21)."""


def try_text(
    desk: Desk, text: str, *, by: Person, last: int, on_progress: Callable[[int], None] = lambda done: None
) -> Trial:
    """Try the policy in this text, in this process or, if there is much to try it on, in another.

    Args:
        desk: As for `try_policy`.
        text: TOML.
        by: Who asks.
        last: How many edits.
        on_progress: Told now and then how many edits are done.

    Raises:
        Forbidden: The person is no admin.
        PolicyError: The text is no policy.
        StoreError: The edits could not be read.
    """
    by.need(Role.ADMIN, "try a policy")
    policy = parse_policy_text(text)
    if last <= WORTH_IT:
        return try_policy(desk, policy, by=by, last=last, on_progress=on_progress)
    command = [sys.executable, "-m", "pipeline.policy_trial_apart", str(desk.root), str(last)]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with suppress(BrokenPipeError):  # it has ended; what it said of that is read below
            process.stdin.write(text)
            process.stdin.close()
        said: Any = None
        for line in process.stdout:
            said = json.loads(line)
            if isinstance(said, int):
                on_progress(said)
        problem = process.stderr.read().strip()
    if not isinstance(said, dict):
        raise StoreError(f"the policy could not be tried: {problem.splitlines()[-1] if problem else 'it was stopped'}")
    return _trial(said)


def _trial(said: Mapping[str, Any]) -> Trial:
    read: dict[str, Any] = {
        "before": Load(**said["before"]),
        "after": Load(**said["after"]),
        "fewer": Moved(**said["fewer"]),
        "more": Moved(**said["more"]),
        "missed": tuple(said["missed"]),
        "parts": {group: tuple(Part(**part) for part in parts) for group, parts in said["parts"].items()},
    }
    return Trial(**{**said, **read})


def main() -> None:
    """Print how far the trial is, and in the last line what it came to."""
    root, last = Path(sys.argv[1]), int(sys.argv[2])
    desk, policy = Desk.open(root), parse_policy_text(sys.stdin.read())

    def say(value: object) -> None:
        sys.stdout.write(f"{json.dumps(value)}\n")
        sys.stdout.flush()

    say(asdict(try_policy(desk, policy, by=local_person(), last=last, on_progress=say)))
    desk.close()


if __name__ == "__main__":
    main()
