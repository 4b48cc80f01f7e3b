"""The local provider: edits that classical image processing does well, on this machine, for free.

It takes a plain sentence (`grammar`) or typed operations (`operations`), does what they say to the pixels
(`carry_out`), and refuses what it cannot do well (`refusals`): never a silent no-op, never a guess. The same request
gives the same bytes on the same machine; across machines the last bits of a few operations differ, so the versions of
the libraries are part of the reuse key.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from pipeline.errors import EditRefused
from pipeline.providers import BaseProvider, Tools
from pipeline.providers.local.grammar import parse_sentence
from pipeline.providers.local.operations import (
    Annotate,
    Badge,
    Caption,
    Cleanup,
    Insert,
    Meme,
    Op,
    Poster,
    parse_json,
    parse_operations,
    to_json,
)
from pipeline.providers.local.refusals import refusal
from pipeline.providers.local.scripts import script_beyond_the_font
from pipeline.values import EditRequest, EditResult, Estimate, Handle, Instruction

ENGINE_VERSION = 3
"""Counts changes to what any operation gives."""

_LIBRARIES = ("opencv-python-headless", "numpy", "pillow")


class LocalProvider(BaseProvider):
    """Makes edits on this machine.

    Args:
        options: ``font`` names a font file for scripts that the built-in font cannot set.
        tools: The pool is where the pixels are worked on.
    """

    name = "local"
    is_repeatable = True
    max_outputs = 1
    max_references = 16
    takes_mask = True
    wants_detections = True

    def __init__(self, options: Mapping[str, Any], tools: Tools) -> None:
        self._font = str(options.get("font", ""))
        self._pool = tools.pool
        libraries = ",".join(f"{name}-{version(name)}" for name in _LIBRARIES)
        self.version = f"{ENGINE_VERSION};{libraries};{self._font}"

    def check_options(self, request: EditRequest) -> None:
        """Refuse marks that it cannot read; any other refusal is of an instruction, and a person looks at that."""
        if request.markup is None:
            return
        try:
            is_told = all(isinstance(operation, Annotate) for operation in read_instruction(request.instruction))
        except EditRefused:
            is_told = False
        if not is_told:
            raise EditRefused(
                "no_markup",
                "the local provider rings what a markup points at, and no more; give a mask",
                column="markup",
            )

    def check(self, request: EditRequest) -> None:
        """Refuse what can be refused without looking at pixels; loads no picture library.

        Raises:
            EditRefused: With one of the codes of `refusals.REFUSALS`, or as `check_options`.
        """
        self.check_options(request)
        if request.n > self.max_outputs:
            raise refusal(
                "bad_operation",
                f"n is {request.n}, and this provider gives the same picture every time; "
                'write "make four variants" for different ones',
            )
        for option in ("ai_model", "quality"):
            if getattr(request, option) is not None:
                raise refusal(
                    "bad_operation", f"{option} is {getattr(request, option)!r}; the local provider takes none"
                )
        for operation in read_instruction(request.instruction):
            _check_references(operation, request)
            _check_region(operation, request)
            _check_script(operation, self._font)

    def estimate(self, request: EditRequest) -> Estimate:
        """Free, and as fast as this machine."""
        return Estimate()

    async def submit(self, request: EditRequest) -> EditResult | Handle:
        """Make the edit in a worker process.

        Raises:
            EditRefused: The instruction cannot be carried out well on this picture.
        """
        from pipeline.providers.local.carry_out import make_edit

        self.check(request)
        return await self._pool.run(make_edit, request, self._font)


def read_instruction(instruction: Instruction) -> tuple[Op, ...]:
    """The typed operations of an instruction, from whichever form it has.

    Raises:
        EditRefused: It cannot be understood.
    """
    if instruction.operations:
        return parse_operations(instruction.operations)
    if instruction.prompt.lstrip().startswith(("[", "{")):
        return parse_json(instruction.prompt)
    return parse_sentence(instruction.prompt)


def described(operations: tuple[Op, ...]) -> list[dict[str, Any]]:
    """The operations for the record, every parameter written out."""
    return [to_json(operation) for operation in operations]


def _check_references(operation: Op, request: EditRequest) -> None:
    number = getattr(operation, "reference", 0)
    if operation.op == "background" and getattr(operation, "fill", "") != "reference":
        return
    if number > len(request.references):
        raise refusal(
            "needs_reference",
            f"{operation.op} works with reference {number}, and the edit brings {len(request.references)}; "
            "name the picture in the column references",
        )


def _check_region(operation: Op, request: EditRequest) -> None:
    if request.mask is not None or (request.markup is not None and isinstance(operation, Annotate)):
        return
    is_missing = (isinstance(operation, Cleanup | Annotate) and not operation.boxes) or (
        isinstance(operation, Insert) and operation.box is None
    )
    if is_missing:
        raise refusal(
            "needs_region",
            f"{operation.op} must be told where: draw a box on the review page and ask again, write "
            '"in the box left, top, right, bottom" in pixels, or give a mask',
        )


def _check_script(operation: Op, font: str) -> None:
    if font:
        return
    texts: list[str] = []
    if isinstance(operation, Caption | Badge):
        texts = [operation.text]
    elif isinstance(operation, Meme):
        texts = [operation.top, operation.bottom]
    elif isinstance(operation, Poster):
        texts = [operation.title, operation.subtitle]
    elif isinstance(operation, Annotate):
        texts = list(operation.notes)
    for text in texts:
        script = script_beyond_the_font(text)
        if script:
            raise refusal(
                "needs_font",
                f"the built-in font cannot set {script}; set a font file in picturedesk.toml: [providers.local] font",
            )
