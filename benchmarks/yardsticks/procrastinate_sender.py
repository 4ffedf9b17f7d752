"""procrastinate with aiosmtplib, a job for each message; runs in the benchmark environment.

`python procrastinate_sender.py fill N SIZE` queues messages, `… send` sends them in one process and prints the
seconds. `BENCH_DATABASE_URL` and `BENCH_SMTP_PORT` say where. Its messages are rendered beforehand, which ours are not.
"""

import asyncio
import contextlib
import os
import sys
import time
from email.message import EmailMessage

import aiosmtplib
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException

CONCURRENCY = 8
"""As many at once as the other senders have connections; procrastinate's own default is 1."""

app = App(connector=PsycopgConnector(conninfo=os.environ.get("BENCH_DATABASE_URL", "")))


@app.task(name="send")  # type: ignore[untyped-decorator]
async def send(recipient: str, text: str, html: str) -> None:
    """Send one message, as the manual of aiosmtplib shows."""
    message = EmailMessage()
    message["From"] = "reviews@shop.example.org"
    message["To"] = recipient
    message["Subject"] = "Has your order arrived?"
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    await aiosmtplib.send(message, hostname="127.0.0.1", port=int(os.environ["BENCH_SMTP_PORT"]), start_tls=False)


async def fill(count: int, size: int) -> None:
    """Queue messages of which text and HTML together have a size, making the tables where there are none."""
    line = "How many stars does the tea towel get, and why?\n"
    text, html = line * (size // 4 // len(line)), line * (size * 3 // 4 // len(line))
    async with app.open_async():
        # The schema of an earlier round may be there.
        with contextlib.suppress(ConnectorException):
            await app.schema_manager.apply_schema_async()
        await send.batch_defer_async(
            *({"recipient": f"customer{number}@example.org", "text": text, "html": html} for number in range(count))
        )


async def send_all() -> float:
    """Run the worker until the queue is empty and return the seconds."""
    async with app.open_async():
        started = time.perf_counter()
        await app.run_worker_async(wait=False, concurrency=CONCURRENCY, install_signal_handlers=False)
        seconds = time.perf_counter() - started
        statuses = {job.status for job in await app.job_manager.list_jobs_async()}
    if statuses != {"succeeded"}:
        raise SystemExit("procrastinate left messages unsent")
    return seconds


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        asyncio.run(fill(int(sys.argv[2]), int(sys.argv[3])))
    else:
        print(asyncio.run(send_all()))
