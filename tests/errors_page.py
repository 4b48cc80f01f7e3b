"""Writes docs/errors.md from real runs against the fake service: python -m tests.errors_page > docs/errors.md."""

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from PIL import Image

from pipeline.desk import Desk
from pipeline.store import reading
from tests.commands import run_command
from tests.fake_api.running import quick_options, running_fake

_HEAD = """\
# Errors

What goes wrong stays with its edit: the others go on, and nothing is lost. A message says what happened and what to do
next. `picturedesk status --edits` shows each edit's state and error, `picturedesk show EDIT` all that was sent and
answered, and `--json` the error's code.

Every line below is a run of one row that went wrong in this way; a test makes them again and compares.

| what happened | exit | state | code | message |
|---|---|---|---|---|
"""

_FOOT = """
| exit | meaning |
|---|---|
| 0 | all well |
| 1 | some edits failed, were refused, or are in doubt, and the others are made; or the desk's disk is full |
| 2 | the call, a setting or the manifest is wrong; nothing was loaded, nothing was sent |
| 3 | the budget or the month's cap stopped the run; what is queued is kept |
| 4 | the account or the key stopped the run; what is queued is kept |
| 130 | interrupted; the same command goes on |

What to do about a state:

- **failed**: mend the cause, and run again with `--retry-failed`; or change the row and load the manifest again.
- **refused**: nobody sends it again by itself. Re-prompt it on the review page, or with `picturedesk decide re-prompt`.
- **in doubt**: the answer was lost, and it may have been billed. Hold the provider's bill against the books with
  `picturedesk settle`, or decide on the review page; `--in-doubt resend` sends again and may pay twice. See
  [money](money.md).
- **queued**: run again.
- **sending**, with no run at work: its provider could not be asked. Run again, with the key that it was sent with.

"Not now" (429) is no error: the edit waits as long as the provider asks, and everything goes more slowly for a while.
A 500 or 503 is sent once more; the second one leaves the edit in doubt.
"""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that goes wrong.

    Attributes:
        row: Columns of the manifest's row besides asset_id and source.
        source: What stands in the source file; a sound picture if None.
        key: The provider's key.
        options: Of the command.
        settings: Environment variables; URL stands for the fake service's address.
    """

    row: Mapping[str, str] = field(default_factory=lambda: {"prompt": "make it vintage"})
    source: bytes | None = None
    key: str = "sk-test"
    options: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


def _said(word: str) -> Mapping[str, str]:
    return {"prompt": f"make it vintage fake:{word}"}


CASES = {
    "the source is no picture": Case(source=b"no picture"),
    "the source is cut off": Case(source=b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
    "moderation refused the instruction": Case(_said("refuse")),
    "moderation blocked the picture that was made": Case(_said("refuse-output")),
    "a retired model": Case({"prompt": "make it vintage", "ai_model": "dall-e-2"}),
    "an unknown model": Case({"prompt": "make it vintage", "ai_model": "gpt-image-9"}),
    "a size that the model does not make": Case({"prompt": "make it vintage", "size": "1000x1000"}),
    "no key": Case(key=""),
    "a wrong key": Case(key="sk-wrong"),
    "an exhausted account": Case(key="sk-empty"),
    "an account at its own limit": Case(key="sk-limit"),
    "an account without permission": Case(key="sk-unverified"),
    "the budget is reached": Case(options=("--budget", "0.001")),
    "the month's cap is reached": Case(settings={"PICTUREDESK_MONTHLY_CAP_USD": "0.001"}),
    "a budget, and no known price": Case(
        options=("--provider", "compatible", "--budget", "1"),
        settings={
            "PICTUREDESK_PROVIDERS": '{"compatible": {"base_url": "URL/v1", "ai_model": "gpt-image-2"}}',
            "PICTUREDESK_COMPATIBLE_KEY": "sk-test",
        },
    ),
    "the answer was lost": Case(_said("drop")),
    "the server failed twice": Case(_said("500")),
    "the server cannot be reached": Case(settings={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}),
    "the answer holds no picture": Case(_said("garbage")),
    "the answer's picture is broken": Case(_said("broken-picture")),
}
"""By what happened."""


def page() -> str:
    """The page."""
    with running_fake(quick_options()) as fake, _without_waiting():
        return _HEAD + "".join(_row(name, case, fake.url) for name, case in CASES.items()) + _FOOT


@contextmanager
def _without_waiting() -> Iterator[None]:
    """A service that cannot be reached is tried four times all the same; in the end it says the same."""
    waits = (
        "runner._IDLE_S",
        "runner._LOOK_FOR_REPROMPTS_S",
        "booking._SERVER_WAIT_S",
        "providers.wire.DEFAULT_WAIT_S",
    )
    with ExitStack() as patches:
        for name in waits:
            patches.enter_context(patch(f"pipeline.{name}", 0.01))
        yield


def _row(name: str, case: Case, url: str) -> str:
    exit_code, state, code, message = _run(case, url)
    cells = (name, str(exit_code), state.replace("_", " "), f"`{code}`" if code else "", message)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def _run(case: Case, url: str) -> tuple[int, str, str, str]:
    """Run one row; gives exit code, state, error code and message."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if case.source is None:
            Image.new("RGB", (64, 48), "teal").save(folder / "mug.png")
        else:
            (folder / "mug.png").write_bytes(case.source)
        columns, cells = zip(*case.row.items(), strict=True)
        (folder / "shop.csv").write_text(
            f"asset_id,source,{','.join(columns)}\nmug,mug.png,{','.join(cells)}\n", "utf-8"
        )
        environment = {
            "OPENAI_API_KEY": case.key,
            "OPENAI_BASE_URL": f"{url}/v1",
            "PICTUREDESK_DETECTORS": "[]",
            "PICTUREDESK_PROVIDER": "openai",
            **{variable: value.replace("URL", url) for variable, value in case.settings.items()},
        }
        command = ("--desk", str(folder / "desk"), "run", str(folder / "shop.csv"), "--json", *case.options)
        ran = run_command(*command, environment=environment)
        desk = Desk.open(folder / "desk")
        edits = list(reading.each_edit(desk.db, reading.EditFilter()))
        desk.close()
    if not edits:
        return ran.exit_code, "not loaded", "", ran.stderr.strip().splitlines()[-1].strip()
    stopped = json.loads(ran.stdout)["stopped_by"]
    code, message = stopped.values() if stopped else (edits[0].error_code or "", edits[0].error or "")
    return ran.exit_code, edits[0].state.value, code, re.sub(r"(127\.0\.0\.1):\d+", r"\1", message)


if __name__ == "__main__":
    sys.stdout.write(page())
