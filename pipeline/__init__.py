"""Picturedesk: from a list of pictures and instructions to pictures that somebody has signed off.

manifest.py   reads rows; recipes.py turns a recipe into an instruction
uploads.py    what is brought to the page becomes a batch; batches.py says how it stands, pauses and cancels it
runner.py     claims an edit, sends it, keeps the picture, looks at it, routes it
providers/    make the edits; only the runner calls them
detectors/    find faces, text and logos; compare.py says what the edit changed
routing.py    decides what a person must see
review.py     what a person decides; deciding_lists.py many at once; asking.py what another round would cost
policies.py   the policy as a text; kept_policies.py has earlier ones; policy_trial.py tries one on past edits
export/       writes what was approved, and nothing else
insights.py   what decisions tell: what is accepted, at which cost, and why not
prices.py     what an edit costs; store/ledger.py books it, costs.py sums it up, bills.py holds it against a bill
desk.py       a desk is one folder; desk_files.py changes the files in it, rereading.py takes changes up:
              policies.py, own_recipes.py, kit_files.py (brand kit) and settings_file.py (picturedesk.toml) go by it
people.py     who may do what
store/        is the only place that opens a database session; states.py says which moves exist
blobs.py      keeps every picture by its sha256, in a folder or a bucket; housekeeping.py removes what nobody names,
              erasure.py all that is known of an asset
"""
