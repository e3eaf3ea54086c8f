"""What a grant refuses before anybody is asked, and consents as they are listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from salus.consent.v1 import consent_pb2

from services.cli import profile
from services.cli.__main__ import run
from services.cli.consents import consent_json, provision_of
from services.cli.profile import Profile, Services
from services.consent.conversion import write_provision

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A profile's file. Its services are not there, and nothing is asked of them."""
    path = tmp_path / "mine.yaml"
    profile.write(Profile("HospitalAMSP", tmp_path / "me", tmp_path / "roots.pem", Services()), path)
    return str(path)


async def test_an_end_that_is_past_is_refused(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    rule = ("--organisation", "HospitalAMSP", "--until", "2020-01-01")
    assert await run(["--profile", mine, "consents", "grant", *rule]) == 1
    assert "not in the future" in capsys.readouterr().err


async def test_an_end_in_a_file_that_is_past_is_refused(
    mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("- {type: permit}\n- {type: permit, period: {end: 2020-01-01T00:00:00Z}}\n")
    assert await run(["--profile", mine, "consents", "grant", "--file", str(rules)]) == 1
    assert "not in the future" in capsys.readouterr().err


@pytest.mark.parametrize(
    "rule", [["--deny"], ["--deny", "--days", "3"], ["--organisation", "HospitalAMSP", "--without-end"]], ids=" ".join
)
async def test_a_denial_needs_no_end_and_a_permission_may_say_that_it_has_none(
    mine: str, rule: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(["--profile", mine, "consents", "grant", *rule]) == 1
    assert "NO_ADDRESS" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ends", "expired"), [([NOW - HOUR], True), ([NOW], True), ([NOW - HOUR, NOW + HOUR], False), ([None], False)]
)
def test_a_consent_has_expired_when_every_rule_has(ends: list[datetime | None], expired: bool) -> None:
    message = consent_pb2.Consent(
        status=consent_pb2.CONSENT_STATUS_ACTIVE,
        provisions=[write_provision(provision_of(organisation="HospitalAMSP", end=end)) for end in ends],
    )
    printed = consent_json(message, NOW)
    assert (printed["status"], printed["expired"]) == ("active", expired)
