"""What each row measures and how good it has to be: the first bar, and what we aim at."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A row's bars, in its unit; `is_ceiling` says that less is better."""

    job: str
    first_bar: float
    aim: float
    unit: str = "x"
    is_ceiling: bool = False

    def verdict(self, figure: float) -> str:
        """Say which of the bars a figure reaches."""
        sign = -1 if self.is_ceiling else 1
        if sign * figure >= sign * self.aim:
            return "aim"
        return "bar" if sign * figure >= sign * self.first_bar else "below bar"


TARGETS = {
    "order_p50": Target(job="single order, 1 client, p50", first_bar=3, aim=1.5, is_ceiling=True),
    "orders_16": Target(job="single orders, 16 clients", first_bar=0.8, aim=1.3),
    "orders_64": Target(job="single orders, 64 clients", first_bar=0.8, aim=1.3),
    "batch": Target(job="batch of 500 over HTTP", first_bar=0.20, aim=0.36),
    "orm_batch": Target(job="batch of 500 against the usual way", first_bar=8, aim=15),
    "orm_orders": Target(job="single orders, 16 clients, against the usual way", first_bar=8, aim=15),
    "smtp": Target(job="due → accepted by SMTP, 1 process", first_bar=0.08, aim=0.15),
    "post_office": Target(job="the same against django-post_office", first_bar=3, aim=5),
    "procrastinate": Target(job="the same against procrastinate", first_bar=8, aim=14),
    "http_provider": Target(job="through an HTTP provider, 1 process", first_bar=2, aim=5),
    "http_single": Target(job="the same, a call for each message", first_bar=2, aim=5),
    "queue": Target(job="queue's share of the send CPU", first_bar=5, aim=2, unit="%", is_ceiling=True),
    "pages": Target(job="page of 50, any one filter, over HTTP", first_bar=0.5, aim=0.9),
    "deep_page": Target(job="page 10,000 against page 2, p50", first_bar=1.5, aim=1.1, is_ceiling=True),
    "batch_update": Target(job="batch update of 100,000", first_bar=0.6, aim=0.9),
    "batch_update_1m": Target(job="batch update of 1,000,000", first_bar=0.5, aim=0.75),
    "ingest_beside": Target(job="ingest p99 while it runs, against idle", first_bar=3, aim=1.5, is_ceiling=True),
    "public_reviews": Target(job="public page of 50 reviews, over HTTP", first_bar=0.5, aim=0.9),
    "public_summaries": Target(job="public summaries of 48 products, over HTTP", first_bar=0.5, aim=0.9),
    "averages": Target(job="averages of 50,000 ratings", first_bar=30, aim=45),
    "averages_1m": Target(job="averages of 1,000,000 ratings", first_bar=30, aim=45),
    "response_rate": Target(job="response rate of 50,000 ratings", first_bar=30, aim=45),
    "response_rate_1m": Target(job="response rate of 1,000,000 ratings", first_bar=30, aim=45),
    "decide": Target(job="one decide() with trace, CPU", first_bar=40, aim=15, unit="µs", is_ceiling=True),
    "simulation": Target(job="simulation, one core", first_bar=20_000, aim=60_000, unit="/s"),
    "api_size": Target(job="resident size of the API", first_bar=140, aim=110, unit="MiB", is_ceiling=True),
    "worker_size": Target(job="resident size of the worker", first_bar=130, aim=100, unit="MiB", is_ceiling=True),
    "ready": Target(job="embedded servers ready", first_bar=2, aim=1, unit="s", is_ceiling=True),
}
"""By the name that `--only` takes, in the order of the table."""
