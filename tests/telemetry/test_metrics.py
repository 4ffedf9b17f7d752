from invite_service.telemetry import Metrics


def samples(metrics: Metrics) -> dict[str, float]:
    """The rendered figures by name and labels, without those of the process and the times of creation."""
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("invite_")]
    pairs = (line.rpartition(" ") for line in lines if "_created" not in line)
    return {name: float(value) for name, _, value in pairs}


def test_counts_and_times_are_rendered_with_their_labels() -> None:
    metrics = Metrics()
    metrics.orders_ingested.labels(outcome="invited").inc(2)
    metrics.count_attempt(outcome="accepted", channel="email", provider="smtp", seconds=0.2)
    metrics.count_attempt(outcome="accepted", channel="email", provider="smtp", seconds=0.2)
    metrics.due_backlog.set(7)
    metrics.set_open_circuits({"ses": 1})
    metrics.set_open_circuits({"smtp": 2})
    metrics.bell_failures.inc()
    metrics.count_answer(route="/v1/orders", method="POST", status=201, seconds=0.02)
    metrics.count_answer(route="/v1/orders", method="POST", status=201, seconds=0.02)
    rendered = samples(metrics)
    assert {name: value for name, value in rendered.items() if value and "_bucket" not in name} == {
        'invite_orders_ingested_total{outcome="invited"}': 2,
        'invite_messages_total{channel="email",outcome="accepted"}': 2,
        "invite_due_backlog": 7,
        'invite_open_circuits{provider="smtp"}': 2,
        "invite_bell_failures_total": 1,
        'invite_http_requests_total{method="POST",route="/v1/orders",status="201"}': 2,
        'invite_http_seconds_count{method="POST",route="/v1/orders"}': 2,
        'invite_http_seconds_sum{method="POST",route="/v1/orders"}': 0.04,
        'invite_provider_seconds_count{provider="smtp"}': 2,
        'invite_provider_seconds_sum{provider="smtp"}': 0.4,
    }
    assert rendered['invite_provider_seconds_bucket{le="0.1",provider="smtp"}'] == 0
    assert rendered['invite_provider_seconds_bucket{le="0.25",provider="smtp"}'] == 2


def test_two_processes_worth_of_metrics_do_not_share_figures() -> None:
    first, second = Metrics(), Metrics()
    first.poll_failures.inc()
    assert samples(first)["invite_poll_failures_total"] == 1
    assert samples(second)["invite_poll_failures_total"] == 0


def test_memory_of_the_process_is_among_the_figures() -> None:
    assert b"process_resident_memory_bytes" in Metrics().render()
