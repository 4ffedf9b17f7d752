import importlib.resources
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from invite_service.domain.policy import SendZone
from invite_service.rules.zones import MOST_POPULOUS_ZONE, decide_zone, find_zone, is_known_zone, load_zone
from tests.rules.builders import make_policy


def _zones_by_country() -> dict[str, set[str]]:
    """Read the tz database's own list of countries and their zones."""
    table = importlib.resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    zones: dict[str, set[str]] = {}
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            zones.setdefault(country, set()).add(zone)
    return zones


ZONES_BY_COUNTRY = _zones_by_country()


def test_table_covers_exactly_the_countries_of_the_tz_database() -> None:
    assert MOST_POPULOUS_ZONE.keys() == ZONES_BY_COUNTRY.keys()
    assert len(ZONES_BY_COUNTRY) > 240


def test_every_zone_is_one_the_tz_database_gives_to_that_country() -> None:
    foreign = {country: zone for country, zone in MOST_POPULOUS_ZONE.items() if zone not in ZONES_BY_COUNTRY[country]}
    assert foreign == {}


def test_every_zone_of_the_table_can_be_loaded() -> None:
    assert [zone for zone in MOST_POPULOUS_ZONE.values() if not is_known_zone(zone)] == []


@pytest.mark.parametrize(
    ("country", "zone"),
    [
        ("AU", "Australia/Sydney"),
        ("BR", "America/Sao_Paulo"),
        ("CA", "America/Toronto"),
        ("CD", "Africa/Lubumbashi"),
        ("CL", "America/Santiago"),
        ("CN", "Asia/Shanghai"),
        ("ES", "Europe/Madrid"),
        ("ID", "Asia/Jakarta"),
        ("KZ", "Asia/Almaty"),
        ("MX", "America/Mexico_City"),
        ("NO", "Europe/Oslo"),
        ("NZ", "Pacific/Auckland"),
        ("PT", "Europe/Lisbon"),
        ("RU", "Europe/Moscow"),
        ("UA", "Europe/Kyiv"),
        ("US", "America/New_York"),
    ],
)
def test_country_with_several_zones_has_the_one_most_people_live_in(country: str, zone: str) -> None:
    assert MOST_POPULOUS_ZONE[country] == zone


@pytest.mark.parametrize(
    ("order_zone", "country", "zone"),
    [
        ("America/Denver", "NO", "America/Denver"),
        (None, "BR", "America/Sao_Paulo"),
        (None, "br", "America/Sao_Paulo"),
        ("Mars/Olympus", "BR", "America/Sao_Paulo"),
        ("Mars/Olympus", None, "Europe/Oslo"),
        (None, "XX", "Europe/Oslo"),
        (None, None, "Europe/Oslo"),
    ],
)
def test_recipients_zone_is_the_orders_else_its_countrys_else_the_merchants(
    order_zone: str | None, country: str | None, zone: str
) -> None:
    policy = make_policy(send_zone=SendZone.RECIPIENT)
    assert decide_zone(policy, merchant_zone="Europe/Oslo", order_zone=order_zone, country=country) == zone


def test_merchants_zone_counts_where_the_policy_says_so() -> None:
    zone = decide_zone(make_policy(), merchant_zone="Europe/Oslo", order_zone="Asia/Tokyo", country="JP")
    assert zone == "Europe/Oslo"


NO_ZONES = (
    "", ".", "..", "Europe", "Europe/", "/etc/passwd", "../../etc/passwd", "Europe/../UTC", "Mars/Olympus", "a\0b",
    "zone.tab", "leapseconds", "__init__.py", "EUROPE/OSLO", "Europe/Oslo ", "localtime",
)  # fmt: skip


@pytest.mark.parametrize("name", NO_ZONES)
def test_what_names_no_zone_is_unknown(name: str) -> None:
    assert not is_known_zone(name)
    with pytest.raises(ZoneInfoNotFoundError):
        load_zone(name)


def test_zones_come_from_the_pinned_database_and_not_from_the_machine() -> None:
    zones = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    assert [zone for zone in zones if find_zone(zone) is None] == []
    oslo = load_zone("Europe/Oslo")
    with importlib.resources.files("tzdata.zoneinfo").joinpath("Europe", "Oslo").open("rb") as data:
        pinned = ZoneInfo.from_file(data)
    summer, winter = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    for instant in (summer, winter):
        assert instant.astimezone(oslo).utcoffset() == instant.astimezone(pinned).utcoffset()
    assert (oslo.key, load_zone("Europe/Oslo") is oslo) == ("Europe/Oslo", True)
