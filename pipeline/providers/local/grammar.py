"""Sentences that the local provider understands, and the typed operations that they become.

A clause matches one form in full, or the whole instruction is refused before any pixel is touched: nothing is guessed.
Quoted texts and boxes are set aside first, so that what they say can never be taken for an instruction.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.errors import EditRefused
from pipeline.providers.local.colours import COLOURS
from pipeline.providers.local.operations import MAX_OPERATIONS, FourNumbers, Op, parse_operations
from pipeline.providers.local.refusals import refusal

MAX_SENTENCE_LENGTH = 4000

GENERATIVE_ADVICE = "choose a generative provider such as openai for this row"


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause with its quoted texts and boxes set aside.

    Attributes:
        words: The clause, each quoted text as ``<1>`` and each run of coordinates gone.
        texts: The quoted texts.
        boxes: The boxes that it names.
        original: As it was written, for messages.
    """

    words: str
    texts: tuple[str, ...]
    boxes: tuple[FourNumbers, ...]
    original: str


@dataclass(frozen=True, slots=True)
class Form:
    """One way to say an operation.

    Attributes:
        example: A sentence of this form, as the documentation and the error messages show it.
        pattern: What a clause must match in full.
        build: Makes the JSON of the operation from the match and the clause.
        most_boxes: How many boxes a clause of this form may name.
    """

    example: str
    pattern: re.Pattern[str]
    build: Callable[[re.Match[str], Clause], dict[str, object]]
    most_boxes: int = 0


def parse_sentence(sentence: str) -> tuple[Op, ...]:
    """The operations that a sentence stands for.

    Raises:
        EditRefused: ``not_understood``, ``needs_generative``, ``needs_region`` or ``bad_operation``; of any clause.
    """
    if len(sentence) > MAX_SENTENCE_LENGTH:
        raise refusal(
            "not_understood", f"the instruction has {len(sentence)} characters; at most {MAX_SENTENCE_LENGTH}"
        )
    clauses = _clauses(sentence)
    if not clauses:
        raise refusal("not_understood", f"the instruction is empty; write for example: {FORMS[0].example}")
    if len(clauses) > MAX_OPERATIONS:
        raise refusal("bad_operation", f"{len(clauses)} clauses; at most {MAX_OPERATIONS}")
    return parse_operations([_understand(clause) for clause in clauses])


def _understand(clause: Clause) -> dict[str, object]:
    for form in FORMS:
        match = form.pattern.fullmatch(clause.words)
        if match and len(clause.boxes) <= form.most_boxes:
            return form.build(match, clause)
    raise _not_understood(clause)


def _not_understood(clause: Clause) -> EditRefused:
    for pattern, what in _GENERATIVE:
        if pattern.search(clause.words):
            return refusal(
                "needs_generative", f"{clause.original!r}: the local provider cannot do {what}; {GENERATIVE_ADVICE}"
            )
    if re.match(r"(?:remove|erase|delete) ", clause.words):
        return refusal(
            "needs_region",
            f"{clause.original!r}: nothing here finds things by name; say where, for example "
            "'remove the object in the box 10,20,200,300' (pixels: left, top, right, bottom), or give a mask",
        )
    examples = {form.example.lower(): form.example for form in FORMS}
    # 0.35 lets 'colour it red' find 'show it in red'; below it the suggestions stop making sense (our measurement, 2026-11-20).
    near = [examples[one] for one in get_close_matches(clause.original.lower(), examples, n=3, cutoff=0.35)]
    hint = "; ".join(near or [form.example for form in FORMS[:5]])
    return refusal("not_understood", f"{clause.original!r} was not understood; forms that are: {hint}")


# A straight apostrophe inside a word does not end a quoted text.
_QUOTED = re.compile(r"(?<!\w)(?:\"([^\"]*)\"|“([^”]*)”|‘((?:[^’]|’(?=\w))*)’|'((?:[^']|'(?=\w))*)')(?!\w)")
_NUMBER = r"\d+(?:\.\d+)?"
_BOX = rf"[\[(]?{_NUMBER}(?:\s*,\s*{_NUMBER}){{3}}[\])]?"
_BOXES = re.compile(
    rf"(?:(?<=\bbox )|(?<=\bboxes )){_BOX}(?:(?:\s*(?:,|;|and)\s*)(?:the )?(?:box )?{_BOX})*", re.IGNORECASE
)
_VERBS = [
    "add",
    "apply",
    "blur",
    "change",
    "circle",
    "convert",
    "copy",
    "create",
    "crop",
    "cut",
    "delete",
    "erase",
    "expand",
    "extend",
    "flip",
    "generate",
    "give",
    "highlight",
    "increase",
    "insert",
    "make",
    "mark",
    "match",
    "mirror",
    "outline",
    "outpaint",
    "overlay",
    "pad",
    "paint",
    "place",
    "put",
    "reduce",
    "remove",
    "render",
    "replace",
    "resize",
    "rotate",
    "scale",
    "set",
    "sharpen",
    "show",
    "stamp",
    "standardise",
    "standardize",
    "swap",
    "trim",
    "turn",
    "use",
    "write",
]
_SPLIT = re.compile(
    r"(?:\s*;\s*|\.\s+|,\s*(?:and\s+)?then\s+|\s+and\s+then\s+|\s+then\s+|,\s*and\s+|,\s+|\s+and\s+)"
    rf"(?=(?:{'|'.join(_VERBS)})\b)"
)
_COURTESY = re.compile(r"^(?:(?:please|can you|could you|now|also|then|and)\s+)+|\s+please$")


def _clauses(sentence: str) -> list[Clause]:
    # Angle brackets mark what is set aside, so the sentence may bring none of its own outside quotes.
    text = re.sub(r"\s+", " ", sentence.strip())
    quotes: list[re.Match[str]] = []
    boxes: list[str] = []

    def keep_quote(match: re.Match[str]) -> str:
        quotes.append(match)
        return f"<{len(quotes) - 1}>"

    def keep_boxes(match: re.Match[str]) -> str:
        boxes.append(match.group())
        return f"{{{len(boxes) - 1}}}"

    if re.search(r"[<>{}]", _QUOTED.sub("", text)):
        raise refusal("not_understood", f"{sentence!r}: < > {{ }} belong only inside quotation marks")
    text = _BOXES.sub(keep_boxes, _QUOTED.sub(keep_quote, text)).lower()
    found = []
    for part in _SPLIT.split(text):
        words = _COURTESY.sub("", part.strip(" .!?"))
        if words:
            found.append(_restore(words, quotes, boxes))
    return found


def _restore(words: str, quotes: list[re.Match[str]], boxes: list[str]) -> Clause:
    named = [boxes[int(one)] for one in re.findall(r"{(\d+)}", words)]
    spoken = [quotes[int(one)] for one in re.findall(r"<(\d+)>", words)]
    original = re.sub(r"<(\d+)>", lambda match: quotes[int(match[1])].group(), words)
    return Clause(
        words=re.sub(r" ?{\d+}", "", re.sub(r"<\d+>", "<q>", words)),
        texts=tuple(next(group for group in match.groups() if group is not None) for match in spoken),
        boxes=tuple(box for group in named for box in _read_boxes(group)),
        original=re.sub(r"{(\d+)}", lambda match: boxes[int(match[1])], original),
    )


def _read_boxes(text: str) -> list[FourNumbers]:
    numbers = [float(one) for one in re.findall(_NUMBER, text)]
    return [(numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]) for at in range(0, len(numbers), 4)]


_NAMES = "|".join(sorted((*COLOURS, "gray", "light gray", "dark gray"), key=len, reverse=True))
_COLOUR = rf"(?P<colour>#[0-9a-f]{{6}}|{_NAMES})"
_SECOND = rf"(?P<second>#[0-9a-f]{{6}}|{_NAMES})"
_PLAIN = "(?:a |an )?(?:plain |solid |pure |clean |studio )?"
_CORNER = "top[- ]left|top[- ]right|bottom[- ]left|bottom[- ]right"
_PLACE = rf"(?P<place>{_CORNER}|top|bottom|left|right|centre|center|middle)"
_THING = (
    "(?:item|product|object|subject|shirt|t-shirt|tee|shoe|shoes|mug|bag|cap|hat|dress|jacket|hoodie|sofa|chair|car|bottle"
    "|lamp|watch|box)"
)
_ITEM = rf"(?:(?:the )?{_THING}|it|this)"
_BACK = "(?:the |its )?background"
_CHANGE = rf"(?:replace|change|swap|set|make) {_BACK}(?: with| to| into)?"
_RATIO = rf"(?P<ratio>{_NUMBER}[:x/]{_NUMBER}|square|portrait|landscape)"
_IN_THE_BOX = "(?: (?:in|inside|within|under) the box)?"
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_RATIO_WORDS = {"square": "1:1", "portrait": "4:5", "landscape": "16:9"}
_STYLE_WORDS = {
    "coloured-pencil": "colou?red pencil(?: sketch| drawing)?",
    "pencil": "(?:pencil(?: sketch| drawing)?|sketch)",
    "illustration": "(?:illustration|cartoon|comic)",
    "oil": "(?:oil[- ]?painting|painting)",
    "watercolour": "watercolou?r(?: painting)?",
    "cinematic": "(?:cinematic|movie[- ]?like)",
    "editorial": "(?:editorial|magazine)",
    "vintage": "(?:vintage|retro|film)",
    "black-and-white": "(?:black(?: and |-and-|&)white|monochrome|gr[ea]yscale|b&w)",
    "duotone": "duotone",
    "pop-art": "pop[- ]?art",
}
_STYLE = "|".join(f"(?P<s{number}>{words})" for number, words in enumerate(_STYLE_WORDS.values()))
_ADJUSTMENTS = {
    "brighter": ("brightness", 1),
    "darker": ("brightness", -1),
    "warmer": ("warmth", 1),
    "cooler": ("warmth", -1),
    "sharper": ("sharpness", 1),
    "softer": ("sharpness", -1),
    "more vivid": ("saturation", 1),
    "less vivid": ("saturation", -1),
}


def _place(match: re.Match[str], otherwise: str) -> str:
    word = (match["place"] or otherwise).replace(" ", "-")
    return "centre" if word in ("center", "middle") else word


def _ratio(match: re.Match[str]) -> str:
    return _RATIO_WORDS.get(match["ratio"], re.sub("[x/]", ":", match["ratio"]))


def _with_box(json: dict[str, object], clause: Clause) -> dict[str, object]:
    return json | ({"box": list(clause.boxes[0])} if clause.boxes else {})


def _with_boxes(json: dict[str, object], clause: Clause) -> dict[str, object]:
    return json | ({"boxes": [list(box) for box in clause.boxes]} if clause.boxes else {})


def _constant(**json: object) -> Callable[[re.Match[str], Clause], dict[str, object]]:
    return lambda match, clause: _with_box(dict(json), clause)


def _plain_background(match: re.Match[str], clause: Clause) -> dict[str, object]:
    return _with_box({"op": "background", "fill": "colour", "colour": match["colour"]}, clause)


def _gradient(match: re.Match[str], clause: Clause) -> dict[str, object]:
    colours = {"colour": match["colour"] or "light grey", "second": match["second"] or "white"}
    return _with_box({"op": "background", "fill": "gradient", **colours}, clause)


def _season(match: re.Match[str], clause: Clause) -> dict[str, object]:
    season = "autumn" if match["season"] == "fall" else match["season"]
    return _with_box({"op": "background", "fill": "season", "season": season}, clause)


def _catalogue(match: re.Match[str], clause: Clause) -> dict[str, object]:
    return _with_box({"op": "catalogue"} | ({"size": int(match["size"])} if match["size"] else {}), clause)


def _extend(match: re.Match[str], _: Clause) -> dict[str, object]:
    mode = match["mode"] or "auto"
    return {"op": "extend", "ratio": _ratio(match), "mode": "plain" if mode.startswith("colo") else mode}


def _recolour(match: re.Match[str], clause: Clause) -> dict[str, object]:
    source = {"source_colour": match["second"]} if match["second"] else {}
    return _with_box({"op": "recolour", "colour": match["colour"], **source}, clause)


def _style(match: re.Match[str], _: Clause) -> dict[str, object]:
    number = next(int(name[1:]) for name, found in match.groupdict().items() if found is not None)
    return {"op": "style", "style": tuple(_STYLE_WORDS)[number]}


def _badge(match: re.Match[str], clause: Clause) -> dict[str, object]:
    shape = "burst" if "burst" in match["kind"] else "pill"
    json: dict[str, object] = {"op": "badge", "text": clause.texts[0], "shape": shape}
    json["position"] = _place(match, "top-right")
    return json | ({"colour": match["colour"]} if match["colour"] else {})


def _meme(_: re.Match[str], clause: Clause) -> dict[str, object]:
    return {"op": "meme", "top": clause.texts[0], "bottom": clause.texts[1] if len(clause.texts) > 1 else ""}


def _poster(_: re.Match[str], clause: Clause) -> dict[str, object]:
    return {"op": "poster", "title": clause.texts[0], "subtitle": clause.texts[1] if len(clause.texts) > 1 else ""}


def _annotate(_: re.Match[str], clause: Clause) -> dict[str, object]:
    return _with_boxes({"op": "annotate", "notes": list(clause.texts)}, clause)


def _rotate(match: re.Match[str], _: Clause) -> dict[str, object]:
    sign = -1 if (match["sense"] or "").startswith(("counter", "anti")) else 1
    return {"op": "rotate", "degrees": sign * int(match["degrees"]) % 360}


def _adjust(match: re.Match[str], _: Clause) -> dict[str, object]:
    what, sign = _ADJUSTMENTS[match["word"]]
    return {"op": "adjust", "what": what, "percent": sign * int(match["percent"] or 15)}


def _increase(match: re.Match[str], _: Clause) -> dict[str, object]:
    sign = -1 if match["verb"] in ("decrease", "reduce") else 1
    return {"op": "adjust", "what": match["what"], "percent": sign * int(match["percent"] or 15)}


def _form(
    example: str,
    pattern: str,
    build: Callable[[re.Match[str], Clause], dict[str, object]],
    *,
    most_boxes: int = 0,
) -> Form:
    return Form(example=example, pattern=re.compile(pattern), build=build, most_boxes=most_boxes)


_TOO = "(?: (?:at|on|in|to)(?: the)?"

FORMS: tuple[Form, ...] = (
    _form(
        "replace the background with white",
        rf"{_CHANGE} {_PLAIN}{_COLOUR}(?: one| background| backdrop)?{_IN_THE_BOX}",
        _plain_background,
        most_boxes=1,
    ),
    _form(
        "put it on a white background",
        rf"(?:put|place|set) {_ITEM} (?:on|onto|against|over) {_PLAIN}{_COLOUR}(?: background| backdrop)?{_IN_THE_BOX}",
        _plain_background,
        most_boxes=1,
    ),
    _form("white background", rf"{_PLAIN}{_COLOUR} background", _plain_background),
    _form(
        "change the background to studio",
        rf"{_CHANGE} (?:a |an )?(?:seamless )?studio(?: backdrop| background)?{_IN_THE_BOX}",
        _constant(op="background", fill="studio"),
        most_boxes=1,
    ),
    _form(
        "replace the background with a gradient from pink to orange",
        rf"{_CHANGE} (?:a |an )?gradient(?: from {_COLOUR} to {_SECOND})?{_IN_THE_BOX}",
        _gradient,
        most_boxes=1,
    ),
    _form(
        "replace the background with a winter scene",
        rf"(?:{_CHANGE}|put {_ITEM} (?:in|on)) (?:a |an )?(?P<season>winter|christmas|autumn|fall|spring|summer)"
        rf"(?: scene| backdrop| background| setting)?{_IN_THE_BOX}",
        _season,
        most_boxes=1,
    ),
    _form(
        "replace the background with the reference image",
        rf"{_CHANGE} (?:the )?(?:reference|second|supplied|provided) (?:image|photo|picture|backdrop){_IN_THE_BOX}",
        _constant(op="background", fill="reference"),
        most_boxes=1,
    ),
    _form("blur the background", rf"blur {_BACK}{_IN_THE_BOX}", _constant(op="blur_background"), most_boxes=1),
    _form(
        "remove the background",
        rf"(?:(?:remove|delete|cut out|erase) {_BACK}|make {_BACK} transparent|cut out {_ITEM}|transparent background)"
        rf"{_IN_THE_BOX}",
        _constant(op="cutout"),
        most_boxes=1,
    ),
    _form(
        "make it catalogue-ready at 1024 px",
        r"(?:standardi[sz]e(?: it)?|make (?:it )?(?:a )?catalog(?:ue)?(?:[- ]ready)?(?: (?:shot|photo|image))?"
        rf"|catalog(?:ue)? (?:shot|style|photo))(?: (?:at|to) (?P<size>\d{{2,5}})(?: ?px)?)?{_IN_THE_BOX}",
        _catalogue,
        most_boxes=1,
    ),
    _form(
        "crop to 4:5",
        rf"(?:crop|trim)(?: (?:it|the image|this))?(?: to)?(?: a)? {_RATIO}",
        lambda match, _: {"op": "crop", "ratio": _ratio(match)},
    ),
    _form("make it square", "(?:square crop|make it square)", _constant(op="crop", ratio="1:1")),
    _form(
        "add 8% padding",
        rf"(?:add|leave) (?:a |an )?(?P<percent>\d{{1,2}}) ?(?:%|percent) (?:padding|margin|border)"
        rf"(?: around (?:it|the {_THING}))?",
        lambda match, _: {"op": "pad", "margin": int(match["percent"]) / 100},
    ),
    _form(
        "resize to 1024x1024",
        r"(?:resize|scale)(?: (?:it|the image))?(?: to)? (?P<width>\d{2,5}) ?(?:x|×|by) ?(?P<height>\d{2,5})"
        r"(?: ?px| pixels)?",
        lambda match, _: {"op": "resize", "width": int(match["width"]), "height": int(match["height"])},
    ),
    _form(
        "extend to 16:9 with blur",
        rf"(?:extend|expand|outpaint|widen|uncrop)(?: (?:it|the image|the canvas|the borders?))?(?: to)?(?: a)? {_RATIO}"
        "(?: (?:with|using) (?P<mode>blur|mirror|colou?r|texture))?",
        _extend,
    ),
    _form(
        "remove the text in the top left",
        "(?:remove|erase|delete|clean up) (?:the |all |any )*(?:text|caption|lettering|writing|words|watermark|date ?stamp)"
        rf"(?: (?:in|from|at|on) (?:the )?(?:{_PLACE}(?: corner)?|box))?",
        lambda match, clause: _with_box({"op": "remove_text", "where": _place(match, "anywhere")}, clause),
        most_boxes=1,
    ),
    _form(
        "remove the object in the box 10,20,200,300",
        "(?:remove|erase|delete|clean up|retouch)(?: (?:the |this |that |any |all )?(?:object|thing|props?|clutter"
        "|reflections?|dust|scratch|scratches|stain|spots?|blemish(?:es)?|tag|cable|hanger|person|people|sticker))? "
        "(?:in|inside|within|under) the (?:mask|box|boxes|region|selection|marked area)",
        lambda match, clause: _with_boxes({"op": "cleanup"}, clause),
        most_boxes=16,
    ),
    _form(
        "show it in red",
        rf"(?:(?:make|show|paint|turn|render|recolou?r) {_ITEM} (?:in |into |to )?{_COLOUR})(?: from {_SECOND})?{_IN_THE_BOX}",
        _recolour,
        most_boxes=1,
    ),
    _form(
        "change the colour of the sofa from blue to forest green",
        rf"(?:change|set) (?:the |its )?colou?r(?: of {_ITEM})?(?: from {_SECOND})? to {_COLOUR}{_IN_THE_BOX}",
        _recolour,
        most_boxes=1,
    ),
    _form(
        "make it a pencil sketch",
        "(?:(?:make|turn|convert|render|restyle)(?: (?:it|this|the (?:image|photo|picture)))?(?: into| to| as| look like)?"
        "|apply|give it|use|add)(?: a| an| the)? "
        rf"(?:{_STYLE})(?: (?:style|look|grade|grading|filter|effect|image|photo))?",
        _style,
    ),
    _form(
        "match the colours of the reference image",
        "(?:match|copy) the (?:colou?rs?|grade|look) of the (?:reference|second) (?:image|photo|picture)",
        _constant(op="grade_like"),
    ),
    _form(
        "add caption 'SALE' at the top",
        rf"(?:add|put|write|place)(?: a| the)? (?:caption|text|title|headline) <q>{_TOO} (?P<place>top|bottom))?",
        lambda match, clause: {"op": "caption", "text": clause.texts[0], "position": _place(match, "bottom")},
    ),
    _form(
        "add a red badge 'NEW' in the top right",
        rf"(?:add|put|place)(?: a| an| the)? (?:{_COLOUR} )?(?P<kind>badge|label|sticker|pill|starburst|burst)"
        rf"(?: (?:saying|with|reading))? <q>{_TOO} (?P<place>{_CORNER})(?: corner)?)?",
        _badge,
    ),
    _form(
        "make it a meme 'top line' 'bottom line'",
        "(?:make|turn)(?: it| this)?(?: into)? a meme(?: with)?(?: top)? <q>(?:(?: and)?(?: bottom)? <q>)?",
        _meme,
    ),
    _form(
        "make it a poster 'Title' 'Subtitle'",
        "(?:make|turn)(?: it| this)?(?: into)? a poster(?: with)? <q>(?:(?: and)? <q>)?",
        _poster,
    ),
    _form(
        "place the logo in the bottom right corner",
        "(?:add|place|put|overlay|stamp)(?: the| a| our)? (?:logo|watermark|reference (?:image|logo))"
        rf"(?:{_TOO} {_PLACE}(?: corner)?(?: of (?:the )?(?:image|photo|{_ITEM}))?))?",
        lambda match, _: {"op": "logo", "position": _place(match, "bottom-right")},
    ),
    _form(
        "put our logo on the shirt",
        rf"(?:add|place|put|overlay|stamp)(?: the| a| our)? logo (?:on|onto|to) {_ITEM}",
        _constant(op="logo", position="item", scale=0.35),
    ),
    _form(
        "circle the damage in the box 10,20,200,300 with note 'cracked screen'",
        "(?:circle|mark|highlight|annotate|point (?:at|to)|outline) (?:the )?(?:damage|defect|issue|scratch|dent|crack"
        "|problem|area|box(?:es)?|region)(?: (?:in|at|inside) the box(?:es)?)?"
        "(?: (?:and |with )?(?:a )?(?:notes?|labels?|write)(?: saying)? <q>(?:(?:,| and|, and)? <q>)*)?",
        _annotate,
        most_boxes=16,
    ),
    _form(
        "place the second product into the box 10,20,200,300",
        "(?:put|place|insert|add) the (?:reference|second) (?:item|product|image|object) (?:into|in|onto|on) "
        "(?:the )?(?:box|scene|image|photo|table)",
        _constant(op="insert"),
        most_boxes=1,
    ),
    _form(
        "make four variants",
        rf"(?:make|create|generate|give me) (?P<count>\d|{'|'.join(_COUNTS)}) (?:ad |creative |different )*"
        "(?:variants|variations|versions)",
        lambda match, _: {"op": "variants", "n": _COUNTS.get(match["count"]) or int(match["count"])},
    ),
    _form(
        "rotate 90 degrees clockwise",
        r"rotate(?: it)?(?: by)? (?P<degrees>\d{2,3}) ?(?:degrees|°)(?: (?P<sense>clockwise|counterclockwise|anticlockwise))?",
        _rotate,
    ),
    _form(
        "flip it vertically",
        "(?:flip|mirror)(?: it)?(?: (?P<direction>horizontal|vertical)ly)?",
        lambda match, _: {"op": "flip", "direction": match["direction"] or "horizontal"},
    ),
    _form(
        "make it brighter by 10%",
        rf"(?:make it )?(?P<word>{'|'.join(_ADJUSTMENTS)})(?: by (?P<percent>\d+) ?%)?",
        _adjust,
    ),
    _form(
        "increase the contrast by 20%",
        "(?P<verb>increase|decrease|reduce) (?:the )?(?P<what>brightness|contrast|saturation|warmth|sharpness)"
        r"(?: by (?P<percent>\d+) ?%)?",
        _increase,
    ),
    _form("sharpen it", "sharpen(?: it| the image)?", _constant(op="adjust", what="sharpness", percent=30)),
    _form(
        "auto levels",
        "(?:apply )?auto[- ]?(?:levels?|tone)|auto[- ]?white balance",
        _constant(op="adjust", what="levels"),
    ),
)
"""Every form, tried in this order."""


_GENERATIVE: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (
            r"\b(?:add|put|insert|place|draw|give)\b.*\b(?:person|people|model|woman|man|child|hand|dog|cat|animal|tree|car"
            r"|flowers?|hat|glasses|sun|moon|bird)\b",
            "new content",
        ),
        (r"\b(?:smil|frown|expression|pose|gesture|look at the camera|open (?:his|her|its) )", "another face or pose"),
        (
            r"\b(?:at night|night ?time|sunset|sunrise|snow(?:ing|y)|rain(?:ing|y)|golden hour)\b",
            "other light or weather",
        ),
        (
            r"\b(?:from (?:the )?(?:side|back|above|behind|another angle)|rotate the (?:camera|product)|3d|different angle)\b",
            "a new viewpoint",
        ),
        (
            r"\b(?:beach|forest|kitchen|living room|street|office|mountain|city|desk|table|marble)\b",
            "a photographic scene (or give a backdrop as the reference image)",
        ),
        (r"\b(?:wear(?:ing)?|try(?:ing)? on|on a model|mannequin)\b", "a try-on"),
        (r"\b(?:made of|wooden|leather|metal(?:lic)?|glass|velvet|material|texture)\b", "another material"),
        (r"\b(?:younger|older|slimmer|taller|hair)\b", "a changed person"),
        (r"\b(?:upscale|super.?res\w*|restore|colou?ri[sz]e|deblur)\b", "restoration"),
        (r"\b(?:ghibli|van gogh|anime|pixar|disney|lego|in the style of)\b", "the style of an artist or a studio"),
    )
)
"""What people ask for that has to be invented, so that the refusal can say exactly what."""
