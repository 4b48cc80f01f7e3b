"""The least that a review needs, by bare SQLite and Starlette: ``python -m tests.bench.raw_review FOLDER PORT``.

Claims are one update, a decision is one update and one insert; there are no people, flags, rules or history. FOLDER has
the pictures and gets the database.
"""

import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

EDITS = 100_000


class RawReview:
    """Edits in one table.

    Args:
        folder: With the pictures.
    """

    def __init__(self, folder: Path) -> None:
        self.pictures = sorted(folder.glob("*.jpg"))
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "raw.db", isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "CREATE TABLE edit (id INTEGER PRIMARY KEY, state TEXT, until REAL)",
            "CREATE INDEX waiting ON edit (id) WHERE state = 'in_review'",
            "CREATE TABLE decision (id INTEGER PRIMARY KEY, edit INTEGER, kind TEXT, at REAL)",
        ):
            self._db.execute(statement)
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO edit VALUES (?, 'in_review', NULL)", ((n,) for n in range(1, EDITS + 1)))
        self._db.execute("COMMIT")

    def claim(self, count: int) -> dict[str, Any]:
        """The next edits."""
        with self._lock:
            rows = self._db.execute(
                "UPDATE edit SET state = 'claimed', until = ? WHERE id IN "
                "(SELECT id FROM edit WHERE state = 'in_review' ORDER BY id LIMIT ?) RETURNING id",
                (time.time() + 1800, count),
            ).fetchall()
        return {"claims": [{"edit": self._edit(edit_id)} for (edit_id,) in rows]}

    def decide(self, decisions: list[dict[str, Any]]) -> dict[str, Any]:
        """All in one transaction."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            for each in decisions:
                self._db.execute(
                    "UPDATE edit SET state = 'approved' WHERE id = ? AND state = 'claimed'", (each["edit"],)
                )
                said = (each["edit"], each["decision"], time.time())
                self._db.execute("INSERT INTO decision (edit, kind, at) VALUES (?, ?, ?)", said)
            self._db.execute("COMMIT")
        return {"outcomes": [{"edit": each["edit"], "state": "approved"} for each in decisions]}

    def _edit(self, edit_id: int) -> dict[str, Any]:
        place = 2 * edit_id % len(self.pictures)
        source, output = ({"url": f"/pictures/{n}"} for n in (place, place + 1))
        return {"id": edit_id, "revision": 1, "source": source, "outputs": [{"id": edit_id, "picture": output}]}


def app(review: RawReview) -> Starlette:
    """The routes."""

    async def claims(request: Request) -> Response:
        body = await request.json()
        return JSONResponse(await run_in_threadpool(review.claim, body["count"]))

    async def decisions(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(review.decide, [await request.json()]))

    async def bulk(request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(review.decide, (await request.json())["decisions"]))

    async def picture(request: Request) -> Response:
        return FileResponse(review.pictures[request.path_params["number"]])

    async def healthz(_: Request) -> Response:
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/api/v1/claims", claims, methods=["POST"]),
            Route("/api/v1/decisions", decisions, methods=["POST"]),
            Route("/api/v1/decisions/bulk", bulk, methods=["POST"]),
            Route("/pictures/{number:int}", picture),
        ]
    )


if __name__ == "__main__":
    uvicorn.run(app(RawReview(Path(sys.argv[1]))), port=int(sys.argv[2]), access_log=False, log_level="warning")
