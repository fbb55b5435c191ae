"""Residence, the creditor's seat and a clock that she stated: facts that select the law and the hours, each said as such."""

from typing import Any

import pytest

from tests.gateway.town import Town, message, person

NUMBER = "+573014440001"


async def call(town: Town, method: str, path: str, body: Any = None, expect: int = 200) -> Any:
    status, answered, _ = await town.call(method, path, body)
    assert status == expect, answered
    return answered


async def ask(town: Town, contact: Any, **more: Any) -> dict[str, Any]:
    document: dict[str, Any] = await call(town, "POST", "/v1/decisions", message(contact, **more))
    return document


def because(decision: dict[str, Any]) -> dict[str, str]:
    return {pack["pack"].partition("@")[0]: pack["because"] for pack in decision["packs"]}


async def test_where_she_lives_selects_the_law_beside_what_was_given(quiet: Town) -> None:
    """Facts that contradict each other all bind: a Colombian number, a home in Florida, a bank in Chile."""
    contact = {**person("w-1", NUMBER), "residence": "US-FL"}
    found = await ask(quiet, contact, sender={"seat": "CL"})
    assert because(found) == {
        "CO": "jurisdictions given",
        "US": "she lives in US-FL",
        "US-FL": "she lives in US-FL",
        "CL": "the creditor's seat is in CL",
    }


async def test_the_tenants_policy_names_the_seat_and_a_message_another(quiet: Town) -> None:
    sender = {"role": "creditor", "creditor": "C1", "collector": "A1", "seat": "MX"}
    await call(quiet, "PUT", "/v1/policy", {"sender": sender})
    contact = person("w-2", NUMBER)
    assert because(await ask(quiet, contact))["MX"] == "the creditor's seat is in MX"
    assert "MX" not in because(await ask(quiet, contact, sender={"seat": "PE"}))
    assert because(await ask(quiet, contact, sender={"seat": "PE"}))["PE"] == "the creditor's seat is in PE"


async def test_a_residence_is_kept_shown_traced_and_put_anew(quiet: Town) -> None:
    kept = await call(quiet, "PUT", "/v1/contacts/w-3", {**person("w-3", NUMBER), "residence": "BR-SP"})
    assert kept["residence"] == "BR-SP"
    assert because(await ask(quiet, "w-3"))["BR-SP"] == "she lives in BR-SP"
    entries = (await call(quiet, "GET", "/v1/trace?limit=500"))["items"]
    assert [e["facts"]["residence"] for e in entries if e["kind"] == "profile"] == ["BR-SP"]
    assert "residence" not in await call(quiet, "PUT", "/v1/contacts/w-3", person("w-3", NUMBER))
    assert "BR-SP" not in because(await ask(quiet, "w-3"))


@pytest.mark.parametrize("place", ["Brazil", "br", "BR-", "", "BR-SP\n"])
async def test_a_place_that_is_none_is_refused_by_name(quiet: Town, place: str) -> None:
    refused = await call(quiet, "PUT", "/v1/contacts/w-4", {**person("w-4", NUMBER), "residence": place}, expect=422)
    assert [error["pointer"] for error in refused["errors"]] == ["/residence"]
    refused = await call(quiet, "PUT", "/v1/policy", {"sender": {"seat": place}}, expect=422)
    assert [error["pointer"] for error in refused["errors"]] == ["/sender/seat"]


async def test_a_clock_that_she_stated_replaces_the_others_until_she_takes_it_back(quiet: Town) -> None:
    """Ten in Bogota is sixteen in Madrid and one in the morning of the next day in Auckland."""
    await call(quiet, "PUT", "/v1/contacts/w-5", person("w-5", NUMBER))
    assert (await ask(quiet, "w-5"))["outcome"] == "allow"
    told = {"type": "zone_stated", "at": "2026-05-01T10:00:00-05:00"}
    await call(quiet, "POST", "/v1/contacts/w-5/events", {**told, "zones": ["Pacific/Auckland"]})
    found = await ask(quiet, "w-5", explain="es")
    assert found["outcome"] == "defer"
    assert "Pacific/Auckland" in found["reasons"][0]["observed"]
    assert "Bogota" not in found["reasons"][0]["observed"]
    await call(quiet, "POST", "/v1/contacts/w-5/events", {**told, "at": "2026-05-02T10:00:00-05:00", "ended": True})
    assert (await ask(quiet, "w-5"))["outcome"] == "allow"


async def test_why_a_law_binds_is_told_in_her_languages(quiet: Town) -> None:
    contact = {**person("w-6", NUMBER), "residence": "PE"}
    for language, said in (("es", "reside en PE"), ("pt", "reside em PE"), ("en", "she lives in PE")):
        found = await ask(quiet, contact, explain=language)
        assert said in "\n".join(found["explanation"])
