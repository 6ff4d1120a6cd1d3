"""Browser mode: a WebSocket under the server's name, where an authority vouches for the host alone.

Keys are proven by messages or in the request's head. Made only where a
WebSocket is examined under a name: an address has no authority's certificate.

Source: websockets.md, edition §2 (browser mode).
"""

from __future__ import annotations

import os

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from mosaic.core.authentication import NOBODY, Authentication, Role
from mosaic.core.kind import Readers
from mosaic.testing.exam import raw
from mosaic.testing.exam.browser import Browser
from mosaic.testing.exam.check import Deviation, Need, Who, check
from mosaic.testing.exam.stage import Stage
from mosaic.wire import client_messages as ask
from mosaic.wire import server_messages as tell
from mosaic.wire.result_code import ResultCode

_SOURCE = "websockets.md, edition §2 (browser mode)"
_NEEDS = Need.WS | Need.BROWSER


@check(
    "browser.certificate_for_its_name",
    claims="C47",
    rule="Under its name the server shows a certificate for that name, and not its own key.",
    source=_SOURCE,
    needs=_NEEDS,
)
async def _certificate(stage: Stage) -> None:
    async with Browser.dialled(stage) as browser:
        shown = browser.certificate
    own = shown.public_key()
    if isinstance(own, Ed25519PublicKey):
        stage.expect(
            own.public_bytes_raw() != stage.examinee.key.bytes,
            "the certificate of an authority",
            "its own key",
        )
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    stage.expect(
        stage.address()[0] in names.get_values_for_type(x509.DNSName), "a certificate for the name", names
    )


@check(
    "browser.other_names",
    claims="C47",
    rule="Under a name that is not the server's no WebSocket comes about.",
    source=_SOURCE,
    needs=_NEEDS,
)
async def _other_names(stage: Stage) -> None:
    for name, authority in (("somebody-else.invalid", None), (None, "somebody-else.invalid")):
        try:
            async with Browser.dialled(stage, name=name) as browser:
                status, _ = await browser.request(authority=authority)
        except Deviation:
            continue
        stage.expect(status != 101, "no WebSocket", status)


@check(
    "browser.anonymous_questions",
    claims="C43 C47",
    rule="HELLO goes as a message; questions need no key.",
    source=_SOURCE,
    needs=_NEEDS,
)
async def _anonymous(stage: Stage) -> None:
    async with Browser.greeted(stage) as browser:
        wanted = stage.of(stage.kind(), stage.fresh_key().public).encode()
        browser.send(ask.Query(1, 0, wanted))
        stage.same((await browser.take(tell.QueryClosed)).result, ResultCode.SUCCESS, "how the query ended")


@check(
    "browser.server_proves_its_key",
    claims="C43 C50",
    rule="HELLO CHALLENGE is answered by HELLO PROOF: the server's signature over nonces and authority.",
    source=_SOURCE,
    needs=_NEEDS,
)
async def _server_key(stage: Stage) -> None:
    async with Browser.greeted(stage) as browser:
        nonce = os.urandom(32)
        browser.send(ask.HelloChallenge(nonce, NOBODY, browser.authority.encode()))
        proof = await browser.take(tell.HelloProof)
        stage.same(proof.key, stage.examinee.key.bytes, "the key in HELLO PROOF")
        signed = Authentication(proof.key, NOBODY, nonce, proof.nonce, browser.authority)
        stage.expect(signed.verify(Role.SERVER, proof.signature), "the server's signature", "another one")


@check(
    "browser.client_proves_its_key",
    claims="C30 C43 C50",
    rule="Who answers HELLO PROOF with a right HELLO AUTH counts as that key: he reads what is his alone.",
    source=_SOURCE,
    who=Who.MEMBER,
    needs=_NEEDS | Need.OUTBOX,
)
async def _client_key(stage: Stage) -> None:
    record = stage.record(stage.member, stage.kind(readers=Readers.AUTHOR))
    await (await stage.as_member()).keep(record)
    async with Browser.greeted(stage) as browser:
        stage.same(await browser.get(record.data[:48]), [], "what it finds without a key")
        asked = await browser.challenged(stage.member.public)
        browser.send(ask.HelloAuth(stage.member.public.bytes, asked.sign(Role.CLIENT, stage.member)))
        stage.same((await browser.take(tell.HelloAck)).result, ResultCode.SUCCESS, "the answer to HELLO AUTH")
        stage.records_are(await browser.get(record.data[:48]), [record], "what its id finds")


@check(
    "browser.false_signature",
    claims="C43 C50",
    rule="A HELLO AUTH that another key has signed ends the link with UNAUTHORIZED.",
    source=_SOURCE,
    needs=_NEEDS,
)
async def _false_signature(stage: Stage) -> None:
    key, thief = stage.fresh_key(), stage.fresh_key()
    async with Browser.greeted(stage) as browser:
        asked = await browser.challenged(key.public)
        forged = Authentication(
            asked.server_key, thief.public.bytes, asked.client_nonce, asked.server_nonce, asked.authority
        )
        browser.send(ask.HelloAuth(key.public.bytes, forged.sign(Role.CLIENT, thief)))
        stage.same(
            (await browser.take(tell.Closing)).result, ResultCode.UNAUTHORIZED, "the result of CLOSING"
        )


@check(
    "browser.another_authority",
    claims="C43 C47",
    rule="The server proves itself under its own names alone: HELLO CHALLENGE for another is UNAUTHORIZED.",
    source=_SOURCE,
    needs=_NEEDS,
)
async def _authority(stage: Stage) -> None:
    async with Browser.greeted(stage) as browser:
        browser.send(ask.HelloChallenge(os.urandom(32), NOBODY, b"somebody-else.invalid"))
        stage.same(
            (await browser.take(tell.Closing)).result, ResultCode.UNAUTHORIZED, "the result of CLOSING"
        )


@check(
    "browser.hello_in_the_head",
    claims="C43 C47 C50",
    rule="With X-Mosaic fields the request is the HELLO: the answer holds version and server's proof.",
    source="websockets.md (HELLO Messages), edition §2",
    needs=_NEEDS,
)
async def _head(stage: Stage) -> None:
    text = raw.token()
    fields = {
        "X_Mosaic_Versions": "0",
        "X_Mosaic_Features": "0,1",
        "X_Mosaic_Server_Authenticate_Nonce": text,
    }
    async with Browser.dialled(stage) as browser:
        status, head = await browser.request(**fields)
        stage.same(status, 101, "the status")
        stage.same(head.get("x-mosaic-version"), "0", "X-Mosaic-Version")
        stage.expect(browser.proves(head, text), "the server's signature", "another one")
        browser.send(ask.Query(1, 0, stage.of(stage.kind(), stage.fresh_key().public).encode()))
        stage.same((await browser.take(tell.QueryClosed)).result, ResultCode.SUCCESS, "how a query ended")
