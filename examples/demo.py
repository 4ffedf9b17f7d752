"""Replay a shop's real orders into a sandbox merchant, as an integrator would: through the HTTP API alone.

Starts `invite-service dev` on a data directory of its own (or takes a running installation by --base-url and
--operator-key), makes a sandbox merchant whose clock starts on the first order's day, posts the orders in time order
while moving the clock along, answers a share of the invitations through the hosted page's own form, and prints what the
account then looks like. On a terminal it goes on serving, so that the pages can be opened, until Ctrl-C; afterwards it
says how to serve them again.
"""

import argparse
import contextlib
import gzip
import hashlib
import json
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ORDERS = Path(__file__).parent / "gift-shop-500.jsonl.gz"

START_SECONDS = 60.0
"""How long the servers may take to answer."""

BRANDING = {
    "primary_color": "#8a2846",
    "background_color": "#f7f1ee",
    "support_email": "help@gifts.example.org",
}
"""How the gift shop's messages and pages look."""

NAME_PREFIX = "Item "
"""How all product names of these orders begin."""

DAYS_AFTER_THE_LAST_ORDER = 45
"""Enough for every message that is still planned."""

ANSWERED_PERCENT = 14
"""Share of messages that are answered."""

NOT_RECEIVED_PERCENT = 4
"""Share of delivery questions answered with "not yet"."""

STARS = (5, 5, 5, 5, 5, 5, 4, 4, 4, 4, 5, 5, 3, 3, 2, 1)
"""What is answered, one of these by the message's hash."""

REVIEWS = {
    5: "Lovely, and quicker here than I thought.",
    4: "Just as pictured. The box had seen better days.",
    3: "It does what it should.",
    2: "Smaller than it looks on the page.",
    1: "Arrived broken.",
}


def main() -> int:
    arguments = parse_arguments()
    console = Console()
    orders = read_orders(arguments.orders)
    with contextlib.ExitStack() as resources:
        if arguments.base_url:
            base_url, operator_key = arguments.base_url, arguments.operator_key
        else:
            console.print("Starting PostgreSQL, Redis, API and worker")
            base_url, operator_key = resources.enter_context(running_service(arguments.data_dir))
        client = resources.enter_context(httpx.Client(base_url=base_url, timeout=60))
        visitor = resources.enter_context(httpx.Client(timeout=60, follow_redirects=True))
        merchant = make_merchant(client, operator_key, starts_at=orders[0]["purchased_at"])
        client.headers["Authorization"] = f"Bearer {merchant['api_key']}"
        account = Account(client, visitor)
        account.set_up()
        replay(account, orders, console)
        print_figures(account, console)
        print_pages(account, base_url, merchant, console)
        if not arguments.base_url and sys.stdout.isatty():
            console.print("\nServing until Ctrl-C.")
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    if not arguments.base_url:
        again = [find_program(), "dev", "--data-dir", str(arguments.data_dir), "--port", base_url.rpartition(":")[2]]
        console.print("\nStopped. This serves the pages again:\n")
        console.print(f"  {shlex.join(again)}", soft_wrap=True, highlight=False)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Replay real orders into a sandbox merchant.")
    parser.add_argument("--orders", type=Path, default=ORDERS, help="one order event a line, in time order")
    parser.add_argument("--data-dir", type=Path, default=Path(".demo"), help="where the embedded servers keep data")
    parser.add_argument("--base-url", help="an installation that runs already")
    parser.add_argument("--operator-key", help="its operator key")
    return parser.parse_args()


def read_orders(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def find_program() -> str:
    """Find the command beside the interpreter that runs us, else on the PATH."""
    beside = Path(sys.executable).with_name("invite-service")
    return str(beside) if beside.exists() else shutil.which("invite-service") or "invite-service"


@contextlib.contextmanager
def running_service(data_dir: Path) -> Iterator[tuple[str, str]]:
    """Run `invite-service dev` on a free port; give its base URL and operator key."""
    facts_file = data_dir / "dev.json"
    service = subprocess.Popen(
        [find_program(), "dev", "--data-dir", str(data_dir), "--port", "0"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield wait_for(service, facts_file)
    finally:
        service.send_signal(signal.SIGINT)
        service.wait(timeout=60)


def wait_for(service: "subprocess.Popen[bytes]", facts_file: Path) -> tuple[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if service.poll() is not None:
            raise SystemExit("invite-service dev ended; what it said stands above")
        if facts_file.exists():
            facts = json.loads(facts_file.read_text())
            # One that was killed left its file behind.
            if facts["pids"]["dev"] == service.pid:
                return facts["base_url"], facts["operator_key"]
        time.sleep(0.1)
    raise SystemExit(f"invite-service dev did not answer within {START_SECONDS:.0f} seconds")


def make_merchant(client: httpx.Client, operator_key: str, *, starts_at: str) -> dict[str, Any]:
    """Make a sandbox merchant whose clock starts at midnight of the first order's day."""
    midnight = datetime.fromisoformat(starts_at).replace(hour=0, minute=0, second=0)
    answer = client.post(
        "/v1/merchants",
        headers={"Authorization": f"Bearer {operator_key}"},
        json={
            "id": f"demo-{secrets.token_hex(3)}",
            "name": "Gift Shop",
            "time_zone": "Europe/London",
            "homepage_url": "https://gifts.example.org",
            "sandbox": True,
            "clock": midnight.isoformat(),
        },
    )
    return checked(answer)


def checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise SystemExit(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}")
    body: dict[str, Any] = answer.json()
    return body


class Account:
    """The merchant's side of the API, and its customers' answers."""

    def __init__(self, client: httpx.Client, visitor: httpx.Client) -> None:
        self._client = client
        self._visitor = visitor
        self._messages_cursor: str | None = None
        self._seen: set[str] = set()
        self.messages: list[dict[str, Any]] = []
        self.answered: set[str] = set()
        self.not_received = 0

    def set_up(self) -> None:
        """Ask about the shop itself now and then, and look like one."""
        anyway = {"If-Match": "*"}
        checked(self._client.patch("/v1/policy", headers=anyway, json={"service_percent": 15}))
        checked(self._client.put("/v1/branding", headers=anyway, json=BRANDING))

    def post_order(self, order: dict[str, Any]) -> dict[str, Any]:
        return checked(self._client.post("/v1/orders", json=order))

    def move_clock(self, to: datetime) -> dict[str, Any]:
        return checked(self._client.post("/v1/sandbox/clock", json={"to": to.isoformat()}))

    def get(self, path: str, **query: str) -> dict[str, Any]:
        return checked(self._client.get(path, params=query))

    def answer_new_messages(self) -> None:
        """Read what arrived since the last look, and answer a share of it, always the same one."""
        for message in self._new_messages():
            self.messages.append(message)
            draw = hashlib.sha256(f"{message['subject']}{message['to']}{message['sent_at'][:10]}".encode()).digest()
            if message["invitation_id"] in self.answered:
                continue
            if draw[0] % 100 < ANSWERED_PERCENT:
                self._answer(message, draw)
            elif message["step"] == "product_1" and draw[1] % 100 < NOT_RECEIVED_PERCENT:
                self._report_not_received(message)

    def _new_messages(self) -> list[dict[str, Any]]:
        found = []
        while True:
            query = {"limit": "200"} | ({"cursor": self._messages_cursor} if self._messages_cursor else {})
            page = self.get("/v1/sandbox/messages", **query)
            found += [message for message in page["items"] if message["id"] not in self._seen]
            self._seen.update(message["id"] for message in page["items"])
            if page["next_cursor"] is None:
                return found
            self._messages_cursor = page["next_cursor"]

    def _answer(self, message: dict[str, Any], draw: bytes) -> None:
        """Follow the message's link, fill in the page's form as a customer would, and submit it."""
        page = self._open(page_link(message))
        form = Form(page.text)
        if not form.has_stars:
            page = self._submit(page, form, form.defaults())
            form = Form(page.text)
        filled = form.filled_in(draw)
        answer = self._submit(page, form, filled)
        if answer.status_code == httpx.codes.OK:
            self.answered.add(message["invitation_id"])

    def _report_not_received(self, message: dict[str, Any]) -> None:
        page = self._open(page_link(message) + "?received=no")
        form = Form(page.text)
        self._submit(page, form, form.defaults())
        self.not_received += 1

    def _open(self, link: str) -> httpx.Response:
        page = self._visitor.get(link)
        page.raise_for_status()
        return page

    def _submit(self, page: httpx.Response, form: "Form", fields: dict[str, str]) -> httpx.Response:
        answer = self._visitor.post(page.url.join(form.action), data=fields)
        answer.raise_for_status()
        return answer


def page_link(message: dict[str, Any]) -> str:
    """Find the hosted page's link in a message's text, without its query."""
    found = re.search(r"https?://\S+/i/[A-Za-z0-9_-]+", message["text"])
    if found is None:
        raise SystemExit(f"No link to a page in message {message['id']}")
    return found.group()


class Form(HTMLParser):
    """The first form of a page: where it goes, its fields and what they hold before anybody touches them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action = ""
        self._hidden: dict[str, str] = {}
        self._radios: list[str] = []
        self._texts: list[str] = []
        self._buttons: list[tuple[str, str]] = []
        self._is_inside = False
        self._is_over = False
        self.feed(page)

    @property
    def has_stars(self) -> bool:
        return bool(self._radios)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self._is_over:
            self._is_inside, self.action = True, values.get("action", "")
        elif self._is_inside and values.get("name"):
            self._take_field(tag, values)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._is_inside:
            self._is_inside, self._is_over = False, True

    def _take_field(self, tag: str, values: dict[str, str]) -> None:
        name, kind = values["name"], values.get("type", "text")
        if tag == "textarea":
            self._texts.append(name)
        elif tag == "button":
            self._buttons.append((name, values.get("value", "")))
        elif tag == "input" and kind == "radio":
            if name not in self._radios:
                self._radios.append(name)
        elif tag == "input" and kind in {"hidden", "checkbox"}:
            self._hidden[name] = values.get("value", "on")

    def defaults(self) -> dict[str, str]:
        """What pressing the first button sends."""
        return self._hidden | dict(self._buttons[:1])

    def filled_in(self, draw: bytes) -> dict[str, str]:
        """Stars for every product, and a review where the draw says so."""
        fields = self.defaults()
        for index, name in enumerate(self._radios):
            stars = STARS[draw[2 + index % 20] % len(STARS)]
            fields[name] = str(stars)
            if draw[22] % 3 == 0 and index < len(self._texts):
                fields[self._texts[index]] = REVIEWS[stars]
        return fields


def replay(account: Account, orders: list[dict[str, Any]], console: Console) -> None:
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("Orders", total=len(orders))
        for order in orders:
            purchased_at = datetime.fromisoformat(order["purchased_at"])
            progress.update(task, description=f"Orders, {purchased_at:%e %b %Y}")
            account.move_clock(purchased_at)
            account.answer_new_messages()
            account.post_order(order)
            progress.advance(task)
        task = progress.add_task("Days after the last order", total=DAYS_AFTER_THE_LAST_ORDER)
        for day in range(DAYS_AFTER_THE_LAST_ORDER):
            account.move_clock(purchased_at + timedelta(days=day + 1))
            account.answer_new_messages()
            progress.advance(task)


def print_figures(account: Account, console: Console) -> None:
    reconciliation = account.get("/v1/insights/reconciliation")
    outcomes, reasons = reconciliation["outcomes"], reconciliation["reasons"]
    table = make_table("Orders by outcome", "outcome", "orders")
    for outcome, count in outcomes.items():
        table.add_row(outcome, str(count))
    table.add_section()
    table.add_row("received", str(reconciliation["received"]), style="bold")
    console.print(table)
    adds_up = sum(outcomes.values()) == reconciliation["received"]
    console.print("They add up to the orders received.\n" if adds_up else "[red]They do not add up.\n")

    table = make_table("Blocked and waiting orders by reason", "reason", "orders")
    for reason, count in reasons.items():
        table.add_row(reason, str(count))
    table.add_section()
    table.add_row("blocked and waiting", str(outcomes["blocked"] + outcomes["waiting"]), style="bold")
    console.print(table)
    adds_up = sum(reasons.values()) == outcomes["blocked"] + outcomes["waiting"]
    console.print("They add up to the orders blocked and waiting.\n" if adds_up else "[red]They do not add up.\n")

    sent = Counter((message["step"], message["headers"].get("Content-Language", "")) for message in account.messages)
    table = make_table("Messages by step and language", "step", "language", "messages")
    for (step, language), count in sorted(sent.items()):
        table.add_row(step, language, str(count))
    table.add_section()
    table.add_row("sent", "", str(sent.total()), style="bold")
    console.print(table)
    console.print()

    summary = account.get("/v1/ratings/summary")
    table = make_table(
        "Published ratings", "of", "1 star", *(f"{stars} stars" for stars in range(2, 6)), "all", "average"
    )
    for subject, what in (("product", "products"), ("service", "the shop")):
        published = summary[subject]["published"]
        counts = [str(published["distribution"][str(stars)]) for stars in range(1, 6)]
        table.add_row(what, *counts, str(published["count"]), str(published["average"] or "none"))
    console.print(table)
    console.print()
    invited = {message["invitation_id"] for message in account.messages}
    rate = 100 * len(account.answered) / len(invited) if invited else 0
    console.print(
        f"Response rate {rate:.1f}%: {len(account.answered)} of {len(invited)} invitations that were sent got stars."
        f"\nTo {account.not_received} messages the answer was that the order had not arrived.",
        soft_wrap=True,
    )


def make_table(title: str, *columns: str) -> Table:
    """Make a table whose figures stand to the right."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        is_figure = column not in {"outcome", "reason", "step", "language", "of"}
        table.add_column(column, justify="right" if is_figure else "left")
    return table


def count_products(message: dict[str, Any]) -> int:
    count: int = message["text"].count(NAME_PREFIX)
    return count


def print_pages(account: Account, base_url: str, merchant: dict[str, Any], console: Console) -> None:
    unanswered = [message for message in account.messages if message["invitation_id"] not in account.answered]
    by_step: dict[str, str] = {}
    # A page of a few products shows more at a glance than one of a dozen: the last one stays.
    for message in sorted(unanswered, key=count_products, reverse=True):
        if message["step"] == "service" or count_products(message) > 1:
            by_step[message["step"]] = page_link(message)
    console.print("\nWorth opening:", style="bold")
    for step, what in (
        ("product_1", "has it arrived?"),
        ("product_2", "stars for each product"),
        ("service", "the shop"),
    ):
        if step in by_step:
            query = "" if step == "product_1" else "?stars=4"
            console.print(f"  {what:24} {by_step[step]}{query}", soft_wrap=True)
    console.print(f"  {'the API':24} {base_url}/docs", soft_wrap=True)
    console.print(f"  {'with the key':24} {merchant['api_key']}", soft_wrap=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped by Ctrl-C.")
