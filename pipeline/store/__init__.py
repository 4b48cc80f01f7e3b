"""The desk's database: the only place that opens a session.

database.py   engines, transactions, migrations
moves.py      the one way to change an edit's state
loading.py    manifest rows in
running.py    what the runner writes: claims, attempts, outputs, routes
deciding.py   what a person decides
reading.py    what everybody reads
searching.py  edits as lines of a list, newest first
tallies.py    counts of what was decided and spent, kept up to date beside the database
insights.py   questions to these counts

Each function is one use and one transaction; it takes a `Database` first and gives frozen records back.
"""

from pipeline.store.database import Database

__all__ = ["Database"]
