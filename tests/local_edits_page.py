"""Writes docs/local-edits.md from the code: python -m tests.local_edits_page > docs/local-edits.md."""

import sys
from dataclasses import MISSING, fields

from pipeline.providers.local.grammar import FORMS
from pipeline.providers.local.operations import OPERATIONS, parameters
from pipeline.providers.local.refusals import REFUSALS

HEAD = """\
# Local edits

The local provider edits on this machine, for free, with classical image processing. It does what that does well, at a
quality that somebody has looked at, and refuses the rest with a code and what to do next: never a silent no-op, never
a guess. The same request gives the same bytes on the same machine.

Ask in a sentence, or in typed operations. Sentences of one prompt are joined by `and`, `then`, commas or semicolons.
Text stands in quotes. A box is `in the box left, top, right, bottom`, in pixels of the upright source, or in fractions
of it when all four are at most 1. Instead of a box, a row may bring a mask; to be circled, a markup. "The reference" is
its first reference.

## Sentences
"""

OPERATIONS_HEAD = """
## Typed operations

As a prompt that begins with `[`, or in a recipe: `[{"op": "catalogue", "size": 1024}, {"op": "badge", "text": "New"}]`.
What a sentence became is kept with the edit.
"""

REFUSALS_HEAD = """
## Refusals

A refused edit goes to the review queue with its code; a person sends it again with another instruction, or to another
provider.

| code | meaning |
|---|---|
"""


def page() -> str:
    """The page."""
    sentences = "\n".join(f"- {form.example}" for form in FORMS)
    operations = "\n".join(map(_operation, OPERATIONS))
    refusals = "\n".join(f"| `{code}` | {meaning} |" for code, meaning in REFUSALS.items())
    return f"{HEAD}\n{sentences}\n{OPERATIONS_HEAD}{operations}\n{REFUSALS_HEAD}{refusals}\n"


def _operation(name: str) -> str:
    kind = OPERATIONS[name]
    defaults = {one.name: one.default for one in fields(kind)}
    rows = [
        f"- `{parameter}`: {reading.expects}; {_default(defaults[parameter])}"
        for parameter, reading in parameters(kind).items()
    ]
    return "\n".join([f"\n### {name}\n", f"{(kind.__doc__ or '').strip()}\n", *rows])


def _default(value: object) -> str:
    if value is MISSING:
        return "required"
    return "optional" if value in (None, (), "") else f"default `{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
