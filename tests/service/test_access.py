"""Who may ask, over HTTP, with small models."""

from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.access import REFUSALS
from service.app import create_app
from service.errors import MEDIA_TYPE
from service.guard import PROBES
from service.html import words
from service.keys import read_keys
from service.server import Server
from service.settings import Settings, SettingsError, read_settings
from tests.support import drawing, encoded, hosting, wait_until_loaded

KEY, OLD = "lab-key-0123456789", "old-key-0123456789"
FILES = {"file": encoded(drawing())}


@pytest.fixture(scope="module")
def closed(artifacts: Path) -> Iterator[httpx.Client]:
    """A service that wants a key and is asked by two names and from one origin."""
    settings = Settings(
        artifacts=artifacts,
        api_keys=read_keys(f"lab:{KEY},lab:{OLD},desk:{'d' * 16}"),
        hosts=("10.0.0.7", "*.example.org"),
        cors_origins=("https://a.example",),
    )
    with hosting(create_app(settings)) as client:
        wait_until_loaded(client)
        yield client


def name(answer: httpx.Response) -> str:
    """The name of an answer's problem."""
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["request_id"] == answer.headers["x-request-id"]
    return str(problem["type"].removeprefix("urn:digitvote:"))


@pytest.mark.parametrize("headers", [{"Authorization": f"Bearer {KEY}"}, {"X-API-Key": KEY}, {"X-API-Key": OLD}])
def test_a_key_opens(closed: httpx.Client, headers: dict[str, str]) -> None:
    """Any of the keys, by either header; what it sent is counted by the key's name."""
    before = counted(closed)
    assert closed.post("/predict", files=FILES, headers=headers).status_code == 200
    assert counted(closed) == before + 1


def counted(client: httpx.Client) -> float:
    """Requests that the metrics have of the key `lab`."""
    told = client.get("/metrics").text
    assert KEY not in told
    return sum(float(line.split()[1]) for line in told.splitlines() if line.startswith(_COUNT))


_COUNT = 'digitvote_key_requests_total{key="lab"}'


@pytest.mark.parametrize("path", ["/predict", "/read", "/predict/batch", "/", "/nowhere"])
def test_without_a_key_uploads_are_refused(closed: httpx.Client, path: str) -> None:
    """401 with a challenge, and with another key 403, whatever is asked for: nothing is told of what there is."""
    none = closed.post(path, files=FILES)
    assert (none.status_code, name(none)) == (401, "no-key")
    assert none.headers["www-authenticate"] == 'Bearer realm="digitvote"'
    assert "Authorization: Bearer" in none.json()["detail"]
    wrong = closed.post(path, files=FILES, headers={"X-API-Key": KEY + "x"})
    assert (wrong.status_code, name(wrong)) == (403, "wrong-key")
    assert KEY not in wrong.text
    assert closed.put(path).status_code == 401


@pytest.mark.parametrize("path", ["/", "/health", "/metrics", "/models", "/docs", "/report", "/openapi.json"])
def test_pages_and_probes_need_no_key(closed: httpx.Client, path: str) -> None:
    """GET answers without one."""
    assert closed.get(path).status_code == 200


def test_a_browser_without_scripts_is_told_on_a_page(closed: httpx.Client) -> None:
    """The plain form's 401 is a page that says what is wanted and how a key is sent, with the challenge."""
    answer = closed.post("/", files=FILES, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert words()["errors"]["no-key"]["title"] in answer.text
    assert "X-API-Key" in answer.text
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    "host", ["10.0.0.7:8000", "A.EXAMPLE.ORG", "a.b.example.org:443", "127.0.0.1:8000", "[::1]:8000", "localhost"]
)
def test_a_host_of_the_list_is_served(closed: httpx.Client, host: str) -> None:
    """By name, in any case, with any port, and below a name with an asterisk; this machine's own names always are."""
    assert closed.get("/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "evil.org", "127.0.0.1.evil.org", "a.example.org.evil.org", "evil.org@127.0.0.1", "x example.org"],
)
def test_another_host_is_refused(closed: httpx.Client, host: str) -> None:
    """421, whatever is asked for, also where a known name is a part of it."""
    answer = closed.get("/models", headers={"Host": host})
    assert (answer.status_code, name(answer)) == (421, "wrong-host")


def test_two_hosts_are_none(closed: httpx.Client) -> None:
    """Though both are of the list: whoever stands between may have gone by the other."""
    connection = HTTPConnection(closed.base_url.host, closed.base_url.port or 0)  # httpx would not send them
    connection.putrequest("GET", "/models", skip_host=True)
    for host in ("a.example.org", "b.example.org"):
        connection.putheader("Host", host)
    connection.endheaders()
    assert connection.getresponse().status == 421
    connection.close()


@pytest.mark.parametrize("path", PROBES)
def test_probes_ask_by_any_address(closed: httpx.Client, path: str) -> None:
    """A pod's address is nobody's to name before it has one."""
    assert closed.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_by_default_nobody_is_asked(artifacts: Path) -> None:
    """No middleware looks at the host, nor at keys, nor at origins: there are the log, the pages and the limits."""
    app = create_app(Settings(artifacts=artifacts))
    assert len(app.user_middleware) == 3


def test_other_origins_scripts_may_not_read(client: httpx.Client, closed: httpx.Client) -> None:
    """By default no answer allows another origin; where one is set, that one, and no other, may ask with a key."""
    origin = {"Origin": "https://a.example"}
    assert not any(header.startswith("access-control") for header in client.get("/health", headers=origin).headers)
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-request-id"}
    assert client.options("/predict", headers={**origin, **asks}).status_code == 405
    allowed = closed.options("/predict", headers={**origin, **asks})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://a.example")
    refused = closed.post("/predict", files=FILES, headers=origin)  # so that its script can read why
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, "https://a.example")
    assert "access-control-allow-origin" not in closed.get("/health", headers={"Origin": "https://b.example"}).headers
    other = closed.options("/predict", headers={"Origin": "https://b.example", **asks})
    assert "access-control-allow-origin" not in other.headers


def test_past_the_rate_a_sender_waits(artifacts: Path) -> None:
    """Each upload tells what is left; past that 429 with Retry-After, of another key not, and pages are not counted."""
    settings = Settings(artifacts=artifacts, rate=0.01, burst=2, api_keys=read_keys(f"lab:{KEY},desk:{OLD}"))
    with hosting(create_app(settings)) as client:
        wait_until_loaded(client)
        answers = [client.post("/predict", files=FILES, headers={"X-API-Key": KEY}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"requests";q=2;w=200'}
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=1", "r=0", "r=0"]
        assert name(answers[2]) == "too-often"
        assert 90 <= int(answers[2].headers["retry-after"]) <= 100
        assert client.post("/predict", files=FILES, headers={"X-API-Key": OLD}).status_code == 200
        assert "ratelimit" not in client.get("/health").headers


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("proxies", "peer", "statuses"),
    [
        ("", "127.0.0.1", [503, 429]),
        ("10.0.0.0/8", "127.0.0.1", [503, 429]),
        ("10.0.0.0/8", "10.1.2.3", [503, 503]),
        ("", "2001:db8::1", [503, 429]),
    ],
)
async def test_only_a_trusted_proxy_is_believed_whom_it_asks_for(
    monkeypatch: pytest.MonkeyPatch, proxies: str, peer: str, statuses: list[int]
) -> None:
    """Without keys each address has a bucket: what another peer says in X-Forwarded-For gives it no new one."""
    for variable, value in {"RATE": "0.01", "BURST": "1", "PROXIES": proxies}.items():
        monkeypatch.setenv(f"DIGITVOTE_{variable}", value)
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own variable does not open it
    settings = read_settings()
    config = Server(create_app(settings), settings).config
    config.load()
    transport = httpx.ASGITransport(config.loaded_app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        # Its models are not being loaded: 503 is whoever passes.
        found = [
            (await client.post("/predict", files=FILES, headers={"X-Forwarded-For": f"192.0.2.{at}"})).status_code
            for at in range(2)
        ]
    assert found == statuses


@pytest.mark.anyio
async def test_all_addresses_of_one_network_of_ipv6_share_a_bucket() -> None:
    """Whoever has a /64 has all of its addresses; another /64 is another sender, and so is each of IPv4 written so."""
    app = create_app(Settings(rate=0.01, burst=1))
    found = []
    networks = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "fe80::1%eth0", "no address: at all")
    mapped = ("::ffff:192.0.2.1", "::ffff:192.0.2.2", "192.0.2.2")
    for address in (*networks, *mapped):
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            found.append((await client.post("/predict", files=FILES)).status_code)
    assert found == [503, 429, 503, 503, 503, 503, 503, 429]


def test_the_openapi_document_tells_what_is_asked(closed: httpx.Client) -> None:
    """Of each upload that it needs a key and how it may be refused, of all but probes that it may be the wrong host."""
    document: dict[str, Any] = closed.get("/openapi.json").json()
    paths = document["paths"]
    predict, models, health = paths["/predict"]["post"], paths["/models"]["get"], paths["/health"]["get"]
    assert predict["security"] == [{"bearer": []}, {"header": []}]
    assert {"401", "403", "421"} <= set(predict["responses"])
    assert "421" in models["responses"]
    for each in (models, health):
        assert "security" not in each
        assert "401" not in each["responses"]
    assert "421" not in health["responses"]
    assert document["components"]["securitySchemes"]["header"] == {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
    }


def test_the_openapi_document_says_nothing_of_what_is_not_asked(client: httpx.Client) -> None:
    """By default no status of these refusals is described."""
    document = client.get("/openapi.json").json()
    statuses = {str(row.status) for row in REFUSALS}
    for operations in document["paths"].values():
        assert not any(statuses & set(operation["responses"]) for operation in operations.values())


def test_a_key_without_its_certificate_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what HTTPS needs would serve without it."""
    monkeypatch.setenv("DIGITVOTE_TLS_KEY", "key.pem")
    with pytest.raises(SettingsError, match="DIGITVOTE_TLS_KEY") as error:
        read_settings()
    assert "DIGITVOTE_TLS_CERT" in str(error.value)
