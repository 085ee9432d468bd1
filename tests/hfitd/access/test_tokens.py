from __future__ import annotations

import base64
import json
from dataclasses import replace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hfitd.access.token_keys import TokenKeys
from hfitd.access.tokens import Tokens
from hfitd.errors import StoreUnavailable, TokenInvalid
from hfitd.store.users import Users

ORIGIN = "https://hfitd.example"
TTL = 900


@pytest.fixture
def keys(tmp_path, uptime) -> TokenKeys:
    return TokenKeys.load(tmp_path / "keys", uptime)


@pytest.fixture
def tokens(keys, users, store, wall, uptime) -> Tokens:
    return Tokens(keys, users, store, ORIGIN, TTL, clock=wall, monotonic=uptime)


@pytest.fixture
def other_instance(tmp_path, keys, users, store, wall, uptime) -> Tokens:
    return Tokens(TokenKeys.load(tmp_path / "keys", uptime), users, store, ORIGIN, TTL, clock=wall, monotonic=uptime)


@pytest.fixture
def token(tokens, alice) -> str:
    return tokens.issue(alice, alice.keys[0].fingerprint).text


async def invalid(tokens: Tokens, text: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        await tokens.verify(text)
    assert caught.value.message == "The token is not valid; log in again."


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def opened(text: str) -> tuple[dict, dict, str]:
    header, payload, signature = text.split(".")
    return (*(json.loads(base64.urlsafe_b64decode(item + "==")) for item in (header, payload)), signature)


def signed(key: Ed25519PrivateKey, header: object, payload: object) -> str:
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(key.sign(text.encode()))}"


def changed(keys: TokenKeys, text: str, header: dict | None = None, without: tuple[str, ...] = (), **claims) -> str:
    """The same token with other header fields or claims, signed by the server's own key."""
    old_header, payload, _ = opened(text)
    payload = {name: value for name, value in {**payload, **claims}.items() if name not in without}
    return signed(keys.current().private, {**old_header, **(header or {})}, payload)


async def test_a_token_says_who_asks_with_the_roles_of_now(tokens, token, alice):
    actor = await tokens.verify(token)
    assert (actor.email, actor.roles, actor.key_fingerprint) == (alice.email, ("developer",), alice.keys[0].fingerprint)
    assert actor.token_id == opened(token)[1]["jti"]
    assert tokens.expires_in(token) == TTL


async def test_a_token_has_the_published_shape(token, keys):
    header, payload, _ = opened(token)
    assert header == {"alg": "EdDSA", "typ": "hfit-access+jwt", "kid": keys.current().kid}
    assert payload.keys() == {"iss", "aud", "sub", "exp", "iat", "jti", "epoch", "key"}


async def test_the_published_key_set_verifies_a_token(tokens, token, keys):
    published = jwt.PyJWKSet.from_dict(dict(keys.jwks()))
    key = published[opened(token)[0]["kid"]]
    claims = jwt.decode(
        token,
        key,
        algorithms=["EdDSA"],
        audience=f"{ORIGIN}/api/v1",
        issuer=ORIGIN,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == "alice@example.org"
    assert "d" not in keys.jwks()["keys"][0]


@pytest.mark.parametrize("algorithm", ["none", "nOnE", "NONE", "", None, "EdDSA ", "eddsa", "ES256"])
async def test_a01_a_token_of_another_algorithm_is_invalid(tokens, token, keys, algorithm):
    header, payload, signature = opened(token)
    for end in ("", signature):
        await invalid(tokens, f"{part({**header, 'alg': algorithm})}.{part(payload)}.{end}")
    await invalid(tokens, changed(keys, token, {"alg": algorithm}))


async def test_a01_a_header_with_a_name_twice_is_invalid(tokens, token, keys):
    header, payload, _ = opened(token)
    for doubled in ('{"alg":"EdDSA","alg":"none",%s', '{"alg":"none","alg":"EdDSA",%s'):
        raw = (doubled % json.dumps({name: header[name] for name in ("typ", "kid")})[1:]).encode()
        await invalid(tokens, signed(keys.current().private, raw, payload))
    body = json.dumps(payload)
    await invalid(tokens, signed(keys.current().private, header, (body[:-1] + ', "sub": "root@example.org"}').encode()))


@pytest.mark.parametrize("form", ["pem", "openssh", "raw"])
async def test_a02_the_public_key_as_hmac_secret_is_worthless(tokens, token, keys, form):
    import hashlib
    import hmac

    public = keys.current().public
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "openssh": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "raw": public.public_bytes(Encoding.Raw, PublicFormat.Raw),
    }[form]
    header, payload, _ = opened(token)
    for algorithm in ("HS256", "EdDSA"):
        text = f"{part({**header, 'alg': algorithm})}.{part(payload)}"
        await invalid(tokens, f"{text}.{part(hmac.digest(secret, text.encode(), hashlib.sha256))}")


async def test_a03_a_key_that_the_token_brings_along_is_never_used(tokens, token):
    own = Ed25519PrivateKey.generate()
    header, payload, _ = opened(token)
    raw = part(own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    for extra in (
        {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": raw}},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["AAAA"]},
        {},
    ):
        await invalid(tokens, signed(own, {**header, **extra}, payload))


@pytest.mark.parametrize("kid", ["../../dev/null", "' OR 1=1--", "*", "\x00", "A" * 10_000, "", None, 0, ["x"], {}])
async def test_a04_an_unknown_key_id_is_invalid(tokens, token, keys, kid):
    await invalid(tokens, changed(keys, token, {"kid": kid}))


async def test_a04_a_token_without_key_id_is_invalid(tokens, token, keys):
    header, payload, _ = opened(token)
    del header["kid"]
    await invalid(tokens, signed(keys.current().private, header, payload))


async def test_a04_a_token_of_a_removed_key_is_invalid(tokens, token, keys):
    keys.rotate()
    await tokens.verify(token)  # the previous key is still accepted
    keys.rotate()
    fresh = Tokens(keys, tokens._users, tokens._store, ORIGIN, TTL, clock=tokens._clock)
    await invalid(fresh, token)


@pytest.mark.parametrize("value", [None, "soon", "1800000900", -1, 2**63, True, 1800000900.0, [], {}])
async def test_a05_an_expiry_that_is_no_time_is_invalid(tokens, token, keys, value):
    await invalid(tokens, changed(keys, token, exp=value))
    await invalid(tokens, changed(keys, token, iat=value))


async def test_a05_an_infinite_expiry_is_invalid(tokens, token, keys):
    header, payload, _ = opened(token)
    for number in ("1e400", "Infinity", "NaN", "18000009e2"):
        body = json.dumps({**payload, "exp": 0}).replace('"exp": 0', f'"exp": {number}').encode()
        await invalid(tokens, signed(keys.current().private, header, body))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp", "iat", "jti", "epoch", "key"])
async def test_a05_a_token_without_a_claim_is_invalid(tokens, token, keys, claim):
    await invalid(tokens, changed(keys, token, without=(claim,)))


async def test_a05_a_minute_of_clock_difference_is_accepted_and_no_more(tokens, token, wall, alice):
    wall.now += TTL + 59
    await tokens.verify(token)
    wall.now += 2
    await invalid(tokens, token)  # also when it was verified before
    early = tokens.issue(alice, alice.keys[0].fingerprint).text
    wall.now -= 59
    await tokens.verify(early)
    wall.now -= 3
    await invalid(tokens, early)


async def test_a05_a_token_of_the_future_is_invalid(tokens, token, keys, wall):
    await invalid(tokens, changed(keys, token, iat=int(wall.now) + 3600, exp=int(wall.now) + 4500))
    await invalid(tokens, changed(keys, token, nbf=int(wall.now) + 3600))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://other.example/api/v1"},
        {"aud": [f"{ORIGIN}/api/v1", "https://other.example"]},
        {"aud": [f"{ORIGIN}/api/v1"]},
        {"aud": ORIGIN},
        {"iss": "https://other.example"},
        {"iss": ORIGIN[:-1]},
        {"iss": ORIGIN + "x"},
        {"iss": "hfitd"},
        {"iss": ORIGIN.upper()},
        {"iss": [ORIGIN]},
    ],
)
async def test_a06_a_token_by_or_for_another_server_is_invalid(tokens, token, keys, claims):
    await invalid(tokens, changed(keys, token, **claims))


@pytest.mark.parametrize("kind", ["hfit-refresh+jwt", "hfit-download+jwt", "JWT", "HFIT-ACCESS+JWT", "", None])
async def test_a07_a_token_for_another_purpose_is_invalid(tokens, token, keys, kind):
    await invalid(tokens, changed(keys, token, {"typ": kind}))


async def test_a08_every_damage_of_a_token_is_invalid(tokens, token):
    header, payload, signature = token.split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    body = bytearray(base64.urlsafe_b64decode(payload + "=="))
    body[10] ^= 1
    damaged = [f"{header}.{part(bytes(body))}.{signature}", token + "+AAAA", token + "AAAA", token + ".", token + "\n"]
    damaged += [f"{header}.{payload}.{part(raw[:length])}" for length in range(64)]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    damaged += [token[:-1] + alphabet[last ^ 1], token + "=", token + "==", " " + token, token.replace(".", "..", 1)]
    damaged += ["", ".", "..", "A" * 100_000, f"{header}.{payload}", "a.b.c", "\u00e4.b.c", "\ud800"]
    for text in damaged:
        await invalid(tokens, text)


@pytest.mark.parametrize(
    "extra", [{"crit": ["b64"], "b64": False}, {"crit": ["x"], "x": 1}, {"zip": "DEF"}, {"cty": "JWT"}]
)
async def test_a08_header_fields_that_are_never_issued_are_invalid(tokens, token, keys, extra):
    await invalid(tokens, changed(keys, token, extra))


async def test_a08_deeply_nested_json_is_invalid(tokens, keys):
    await invalid(tokens, signed(keys.current().private, b"[" * 1500, b"{}"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=200))
async def test_a08_any_text_is_invalid(tokens, text):
    await invalid(tokens, text)


@pytest.mark.parametrize("change", ["removed", "disabled", "key removed", "role lowered", "revoked"])
async def test_a09_a_changed_user_ends_the_token_everywhere_within_5_seconds(
    tokens, other_instance, token, users, alice, uptime, change
):
    await tokens.verify(token)
    await other_instance.verify(token)
    match change:
        case "removed":
            await users.remove(alice.email)
        case "disabled":
            await users.save(replace(alice, disabled=True))
        case "key removed":
            await users.save(replace(alice, keys=()))
        case "role lowered":
            await users.save(replace(alice, roles=()))
        case "revoked":
            await tokens.revoke(alice.email)
            await invalid(tokens, token)  # at once at this instance
    uptime.now += 5
    await invalid(tokens, token)
    await invalid(other_instance, token)


async def test_a10_a_user_made_again_under_the_same_name_is_another(tokens, token, users, alice, uptime):
    await users.remove(alice.email)
    await users.create(alice.email, alice.keys, alice.roles)
    await invalid(tokens, token)


async def test_a_logged_out_token_is_invalid_and_others_of_the_user_live(tokens, other_instance, token, alice, uptime):
    second = tokens.issue(alice, alice.keys[0].fingerprint).text
    actor = await tokens.verify(token)
    await other_instance.verify(token)
    await tokens.logout(actor)
    await invalid(tokens, token)
    uptime.now += 5
    await invalid(other_instance, token)
    assert (await tokens.verify(second)).email == alice.email


class LostStore:
    """A store that can be lost: every operation is passed on, or StoreUnavailable."""

    def __init__(self, inner) -> None:
        self.inner = inner
        self.lost = False
        self.asked = 0

    async def read(self, key: str):
        self.asked += 1
        if self.lost:
            raise StoreUnavailable()
        return await self.inner.read(key)


async def test_a_lost_store_leaves_known_tokens_60_seconds_and_new_ones_none(store, keys, alice, wall, uptime):
    lost = LostStore(store)
    tokens = Tokens(keys, Users(lost), lost, ORIGIN, TTL, clock=wall, monotonic=uptime)
    known = tokens.issue(alice, alice.keys[0].fingerprint).text
    fresh = tokens.issue(alice, alice.keys[0].fingerprint).text
    await tokens.verify(known)
    lost.lost = True
    uptime.now += 59
    assert (await tokens.verify(known)).email == alice.email
    with pytest.raises(StoreUnavailable) as caught:
        await tokens.verify(fresh)
    assert caught.value.retry_after_seconds == 3  # without it no client asks again
    uptime.now += 1
    with pytest.raises(StoreUnavailable):
        await tokens.verify(known)
    lost.lost = False
    uptime.now += 1
    assert (await tokens.verify(known)).email == alice.email
    assert (await tokens.verify(fresh)).email == alice.email


async def test_a_lost_store_is_not_asked_again_for_every_request(store, keys, alice, wall, uptime):
    lost = LostStore(store)
    tokens = Tokens(keys, Users(lost), lost, ORIGIN, TTL, clock=wall, monotonic=uptime)
    text = tokens.issue(alice, alice.keys[0].fingerprint).text
    await tokens.verify(text)
    lost.lost, lost.asked = True, 0
    uptime.now += 10
    for _ in range(20):
        await tokens.verify(text)
    assert lost.asked == 1


async def test_a_verified_token_asks_the_store_once_in_5_seconds(store, keys, alice, wall, uptime):
    counting = LostStore(store)
    tokens = Tokens(keys, Users(counting), counting, ORIGIN, TTL, clock=wall, monotonic=uptime)
    text = tokens.issue(alice, alice.keys[0].fingerprint).text
    for _ in range(20):
        await tokens.verify(text)
    assert counting.asked == 3  # the user, whether the token was logged out, what is on loan
