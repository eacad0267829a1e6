import jwt
import pytest

from candil.errors import NotAuthenticated
from signaling import tickets
from signaling.tickets import CLOCK_SKEW_S, LIFE_S, RESUME_LIFE_S, Ticket

NOW = 1_800_000_000.0
KEY = "k" * 64
TICKET = Ticket("consult", "par_1", "ab" * 32)


def test_a_ticket_says_what_was_minted_until_it_expires() -> None:
    token = tickets.mint(TICKET, KEY, NOW)
    assert tickets.verify(token, KEY, NOW, "page1") == TICKET
    assert tickets.verify(token, KEY, NOW + LIFE_S - 1, "page2") == TICKET
    for late in (NOW + LIFE_S, NOW + 1e9, NOW - CLOCK_SKEW_S - 1):
        with pytest.raises(NotAuthenticated):
            tickets.verify(token, KEY, late, "page1")


def test_a_resume_ticket_lasts_longer_and_is_one_page_loads() -> None:
    token = tickets.mint_resume(TICKET, "page1", KEY, NOW)
    assert tickets.verify(token, KEY, NOW + RESUME_LIFE_S - 1, "page1") == TICKET
    wrong = [("page2", NOW), ("", NOW), ("page1", NOW + RESUME_LIFE_S), ("page1", NOW - CLOCK_SKEW_S - 1)]
    for client_id, now in wrong:
        with pytest.raises(NotAuthenticated):
            tickets.verify(token, KEY, now, client_id)


@pytest.mark.parametrize(
    ("typ", "claims"),
    [
        ("candil-ticket+jwt", {"exp": int(NOW) + RESUME_LIFE_S}),
        ("candil-ticket+jwt", {"cid": "page1"}),
        ("candil-resume+jwt", {"cid": "page1", "exp": int(NOW) + RESUME_LIFE_S + 1}),
        ("candil-resume+jwt", {}),
    ],
)
def test_one_kind_is_not_taken_for_the_other(typ: str, claims: dict[str, object]) -> None:
    with pytest.raises(NotAuthenticated):
        tickets.verify(forged({"typ": typ}, **claims), KEY, NOW, "page1")


def forged(
    header: dict[str, str] | None = None, key: str = KEY, algorithm: str | None = "HS256", **claims: object
) -> str:
    whole = {
        "aud": "ws",
        "sub": "par_1",
        "kind": "consult",
        "ses": "h",
        "iat": int(NOW),
        "exp": int(NOW) + 60,
        **claims,
    }
    whole = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(whole, key, algorithm, {"typ": "candil-ticket+jwt"} if header is None else header)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x.y.z",
        forged(key="other" * 20),
        forged(header={"typ": "JWT"}),
        forged(header={"typ": "candil-ticket+jwt", "kid": "1"}),
        forged(algorithm="HS512"),
        forged(key="", algorithm=None),
        forged(aud="api"),
        forged(aud=["ws"]),
        forged(kind="admin"),
        forged(exp=int(NOW) + 86_400),
        forged(exp=None),
        forged(iat=None),
        forged(sub=None),
        forged(ses=1),
        forged(extra=1),
    ],
)
def test_what_is_not_ours_is_refused_the_same_way(token: str) -> None:
    with pytest.raises(NotAuthenticated) as refused:
        tickets.verify(token, KEY, NOW, "page1")
    assert refused.value.code == "no_ticket"


def test_the_forger_of_this_test_can_make_a_good_one() -> None:
    assert tickets.verify(forged(), KEY, NOW, "page1").subject == "par_1"
