"""Every reason for which the local provider refuses, in one place."""

from pipeline.errors import EditRefused

REFUSALS = {
    "not_understood": "The sentence matches no form; the message names the nearest ones.",
    "needs_generative": "It asks for content that has to be invented; choose a generative provider such as openai.",
    "needs_region": "It must be told where: a box, a mask, or text that the detectors found.",
    "needs_reference": "It works with a further picture, and the edit brings none with that number.",
    "needs_font": "The text is in a script that the built-in font cannot set; set the option font to a font file.",
    "no_effect": "The result would equal the source.",
    "too_large": "The picture is, or would become, larger than the limit.",
    "bad_operation": "An operation, a parameter or an option is unknown or out of range.",
    "needs_plain_background": "The item does not stand out surely enough from its background; give a box or a mask.",
    "fill_would_smear": "The hole is too large or its surroundings too busy to be filled without smearing.",
}
"""Code of each refusal and what it means."""


def refusal(code: str, message: str) -> EditRefused:
    """The error to raise; the code must be one of `REFUSALS`."""
    assert code in REFUSALS, code
    return EditRefused(code, message)
