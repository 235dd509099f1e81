"""RFC 8555 §6.6: a validation counts as failed when it begins, and is given back when it ends well."""

from __future__ import annotations

from acme_server.limits import Limit
from tests.acme_requests import Client, ec_key
from tests.in_process import HoldingPool
from tests.open_challenge import opened

TWICE = {limit.value: "none" for limit in Limit} | {"failed_validations_per_name": "2/1h"}


def refused(reply, *words):
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (429, "rateLimited", "1800"), reply.content
    for word in words:
        assert word in reply.json["detail"]


def begun(client, name, *kinds):
    """The replies to the first responses to challenges of a new order."""
    authorization = client.order(name).json["authorizations"][0]
    return [client.post(client.challenge(authorization, kind)["url"], {}) for kind in kinds or ["http-01"]]


def test_6_6_validations_under_way_count_until_they_have_ended_well(make_ca):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool}, limits=TWICE)
    client, other = Client(ca).register(), Client(ca).register()
    orders = [client.order("example.org") for _ in range(3)]
    challenges = [client.publish(order.json["authorizations"][0])["url"] for order in orders]
    assert [client.post(challenge, {}).status for challenge in challenges[:2]] == [200, 200]
    refused(client.post(challenges[2], {}), "failed validations of example.org", "under way")
    assert client.post(challenges[2]).json["status"] == "pending"
    assert client.post(challenges[0], {}).status == 200, "the same response again"
    assert begun(other, "example.org")[0].status == 200
    assert begun(client, "b.example.org")[0].status == 200
    pool.let_go()
    assert client.post(challenges[2], {}).status == 200


def test_6_6_each_challenge_of_an_authorization_counts_and_what_is_proved_gives_all_of_them_back(make_ca):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool}, limits=TWICE)
    client = Client(ca).register()
    authorization = client.order("example.org").json["authorizations"][0]
    client.post(client.challenge(authorization, "email-01")["url"], {})
    client.post(client.publish(authorization)["url"], {})
    assert begun(client, "example.org")[0].problem == "rateLimited"
    pool.let_go()
    assert client.post(authorization).json["status"] == "valid"
    assert ca.rows("SELECT * FROM limits") == []


def test_6_6_what_an_account_gives_up_itself_has_been_begun_all_the_same(make_ca):
    """Otherwise a deactivation in time would buy the next fetch, or mail, for nothing."""
    ca = make_ca(limits=TWICE)
    client = Client(ca).register()
    for _ in range(2):
        authorization = client.order("example.org").json["authorizations"][0]
        client.post(client.challenge(authorization, "email-01")["url"], {})
        assert client.post(authorization, {"status": "deactivated"}).status == 200
    refused(begun(client, "example.org", "email-01")[0])
    assert ca.rows("SELECT count(*) FROM outbox") == [(2,)]


def test_6_6_codes_that_are_answered_count_once_for_each_challenge(make_ca):
    ca = make_ca(limits=TWICE)
    client = Client(ca).register()
    authorization = client.order("example.org").json["authorizations"][0]
    challenge = client.challenge(authorization, "email-01")["url"]
    client.post(challenge, {})
    for _ in range(2):
        assert client.post(challenge, {"response": "A" * 43}).json["error"]["type"].endswith("incorrectResponse")
    assert client.ready("example.org").status == 201


def test_6_6_a_new_key_of_the_account_that_begins_a_challenge_anew_counts_anew(make_ca):
    ca = make_ca(limits=TWICE)
    client = Client(ca).register()
    authorization = client.order("example.org").json["authorizations"][0]
    challenge = client.challenge(authorization, "email-01")["url"]
    replies = []
    for _ in range(3):
        replies.append(client.post(challenge, {}))
        new = ec_key()
        assert client.post("key-change", client.key_change(new)).status == 200
        client.key = new
    assert [reply.status for reply in replies] == [200, 200, 429]


def test_6_6_a_response_that_races_with_another_is_counted_once(make_ca):
    ca = make_ca(limits=TWICE)
    client = Client(ca).register()
    authorization = client.order("example.org").json["authorizations"][0]
    challenge = client.challenge(authorization, "email-01")["url"]
    lease, calls = ca.application.workers.lease, []

    def meanwhile(*job):
        calls.append(job)
        if len(calls) < 4:
            ca.change("UPDATE challenges SET revision = revision + 1")
        return lease(*job)

    ca.application.workers.lease = meanwhile
    assert client.post(challenge, {}).status == 200
    assert len(calls) == 4
    assert begun(client, "example.org", "email-01")[0].status == 200


def test_6_6_by_the_defaults_a_name_and_its_wildcard_are_proved_in_five_orders_at_a_time(make_ca):
    pool = HoldingPool()
    ca = make_ca(parts={"pool": lambda _: pool, "challenges": opened()}, limits={}, acme={"wildcards": True})
    client = Client(ca).register()
    orders = [client.order("example.org", "*.example.org") for _ in range(5)]
    for order in orders:
        for authorization in order.json["authorizations"]:
            assert client.post(client.challenge(authorization, "open-01")["url"], {}).status == 200
    for _ in range(20):
        pool.let_go()
        ca.application.workers.claim()
    assert {client.post(order.location).json["status"] for order in orders} == {"ready"}
