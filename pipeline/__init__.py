"""Picturedesk: from a list of pictures and instructions to pictures that somebody has signed off.

manifest.py   reads rows; recipes.py turns a recipe into an instruction
runner.py     claims an edit, sends it, keeps the picture, looks at it, routes it
providers/    make the edits; only the runner calls them
detectors/    find faces, text and logos; compare.py says what the edit changed
routing.py    decides what a person must see
review.py     what a person decides
export/       writes what was approved, and nothing else
prices.py     what an edit costs; store/ledger.py books it, costs.py sums it up, bills.py holds it against a bill
store/        is the only place that opens a database session; states.py says which moves exist
blobs.py      keeps every picture by its sha256
"""
