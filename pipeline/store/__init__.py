"""The desk's database: the only place that opens a session.

database.py   transactions, migrations
engines.py    how SQLite and PostgreSQL are connected to, and what their errors mean
turns.py      a lock in the order of those who wait for it
moves.py      the one way to change an edit's state
chain.py      the history of events as a hash chain
loading.py    manifest rows in
running.py    what the runner writes: claims, attempts, outputs, routes
workers.py    who works on a desk, and what those who are gone left behind
pacing.py     when requests may leave, over all workers
deciding.py   what a person decides
outgoing.py   webhooks, and what is on its way to them
listening.py  who reads the history: channels, and who notes that a batch is done
answering.py  what was answered to programs' writes
batching.py   pausing, cancelling and budgets of batches, and how far they are
reading.py    what everybody reads
searching.py  edits as lines of a list, newest first
routed.py     decided edits as a policy sees them
tallies.py    counts of what was decided and spent, kept up to date beside the database
insights.py   questions to these counts
walking.py    a whole table in pages
bulk.py       thousands of rows into a table at once
reflagging.py flags of outputs that were looked at again
measuring.py  how much there is of everything, for metrics
copying.py    a copy of the database while everybody works
moving.py     all of it from one database into another
naming.py     which pictures are named by any row
erasing.py    what is known of an asset taken out, so that the history still holds

Each function is one use and one transaction; it takes a `Database` first and gives frozen records back.
"""

from pipeline.store.database import Database

__all__ = ["Database"]
