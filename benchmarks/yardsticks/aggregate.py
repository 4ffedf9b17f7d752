"""`/page/{name}`: a page of invitations that PostgreSQL finds and writes as JSON itself, passed on as it comes.

Found the way the service finds it, with the same fields, and nobody asks for a key. `BENCH_PAGES` names a JSON file
with the statement and the merchant of every page; `BENCH_DATABASE_URL` says where.
"""

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
from fastapi import FastAPI, Request
from starlette.responses import Response

PAGES = json.loads(Path(os.environ["BENCH_PAGES"]).read_text(encoding="utf-8")) if "BENCH_PAGES" in os.environ else {}


@contextlib.asynccontextmanager
async def _pooled(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=4, max_size=4) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=_pooled)


@app.get("/readyz")
async def is_ready() -> dict[str, str]:
    return {"status": "ready"}


@app.get("/page/{name}")
async def page(request: Request, name: str) -> Response:
    return Response(await request.app.state.pool.fetchval(PAGES[name]), media_type="application/json")
