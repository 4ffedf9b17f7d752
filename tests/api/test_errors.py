"""The table of status numbers knows every error that can reach it."""

from http import HTTPStatus

from invite_service.api.errors import MAX_FAULTS, STATUS_BY_CODE, make_problem
from invite_service.domain.errors import DomainError, Fault
from invite_service.main import create_app


def errors_below(error: type[DomainError]) -> set[type[DomainError]]:
    return {error}.union(*(errors_below(narrower) for narrower in error.__subclasses__()))


def test_every_domain_error_has_a_status() -> None:
    create_app()
    codes = {error.code for error in errors_below(DomainError)}
    assert {"api_key_not_found", "overloaded", "schema_outdated"} <= codes
    assert codes - STATUS_BY_CODE.keys() == set()


def test_only_what_is_our_own_fault_is_an_internal_error() -> None:
    internal = {code for code, status in STATUS_BY_CODE.items() if status is HTTPStatus.INTERNAL_SERVER_ERROR}
    assert internal == {"domain_error", "internal_error"}


def test_a_problem_lists_a_thousand_faults_and_counts_the_rest() -> None:
    faults = [Fault(f"/{number}", "unknown_field", "No such field.") for number in range(MAX_FAULTS + 5)]
    problem = make_problem(
        "invalid_input", "Faults.", request_id="r", status=STATUS_BY_CODE["invalid_input"], faults=faults
    )
    assert len(problem.errors) == MAX_FAULTS
    assert problem.detail == "Faults. 5 further faults are not listed."
