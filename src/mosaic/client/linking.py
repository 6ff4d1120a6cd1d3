"""One link to one address of a server, in the form that the server takes.

Self-signed certificates are offered first, raw keys where the server breaks
that off. Over WebSocket a certificate of an authority leads to browser mode.
Each form is tried once at most.

Source: edition §2 (X.509 and raw public keys; native and browser mode).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mosaic.client.authorities import Authorities
from mosaic.client.connection import Connection
from mosaic.client.greeting import Proof, Refusal
from mosaic.client.settings import ClientSettings
from mosaic.client.switch import Switch
from mosaic.client.traffic import Traffic
from mosaic.client.way import Form, Way
from mosaic.core.authentication import NONCE_LENGTH
from mosaic.core.keys import PublicKey, SecretKey
from mosaic.core.url import Scheme
from mosaic.core.web_authority import authority_of
from mosaic.errors import Disconnected, PeerError
from mosaic.protocol.client_upgrade import ENTROPY_LENGTH, ClientUpgrade
from mosaic.transport.network import Dialer
from mosaic.transport.transport import Proxy, Target, Transport

_TRANSPORTS = {Scheme.TCP: Transport.TCP, Scheme.QUIC: Transport.QUIC, Scheme.WEBSOCKET: Transport.WS}


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """What is to be dialled.

    Args:
        server: The key that the server has to prove.
        way: Its URL, and the form to begin with.
        host: The address that was judged, or the name where a proxy resolves it.
        secret: Whose key is proven to the server, None for nobody's.
        proxy: What connects instead of us.
    """

    server: PublicKey
    way: Way
    host: str
    secret: SecretKey | None = None
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True)
class Linked:
    """A connection whose server's key is proven, and the way that led to it."""

    connection: Connection
    way: Way


class Linker:
    """Makes links over one dialer.

    Args:
        dialer: Carries them; the caller stops it.
        settings: Choices of the client.
        now_ns: The clock.
        entropy: Random bytes of a length.
        traffic: Counts what passes.
    """

    def __init__(
        self,
        dialer: Dialer,
        settings: ClientSettings,
        now_ns: Callable[[], int],
        entropy: Callable[[int], bytes],
        traffic: Traffic | None = None,
    ) -> None:
        self._dialer = dialer
        self._switch = Switch(dialer, settings, now_ns, traffic)
        self._settings = settings
        self._entropy = entropy
        self._authorities = Authorities(settings.authorities_file)

    async def link(self, plan: LinkPlan) -> Linked:
        """Connects. Whoever is cancelled here leaves no link behind.

        Raises:
            PeerError: see `Connection.opened`.
            LocalError: browser mode needs authorities, and there are none.
        """
        left = set(Form) if plan.way.url.scheme is Scheme.WEBSOCKET else {Form.CERTIFICATE, Form.RAW_KEY}
        way = plan.way if plan.way.form in left else replace(plan.way, form=Form.CERTIFICATE)
        foreign: PeerError | None = None
        while True:
            left.discard(way.form)
            connection = self._dial(replace(plan, way=way))
            try:
                await self._opened(connection)
            except PeerError as error:
                # What browser mode said matters more than that native mode is not to be had.
                foreign = error if way.form is Form.BROWSER else foreign
                forms = _instead(way.form, connection.refusal)
                form = next((each for each in forms if each in left), None)
                if form is None:
                    raise foreign or error from None
                way = replace(way, form=form)
            else:
                return Linked(connection, way)

    async def stream(self, connection: Connection) -> Connection:
        """One more stream of a QUIC connection: a connection of its own, with the same proven keys.

        Raises:
            UsageError: it is not one over QUIC.
            PeerError: see `Connection.opened`; the server may allow no more streams.
        """
        timeout_ms = int(self._settings.connect_s * 1_000)
        stream = self._switch.connection(
            self._dialer.open_stream(connection.link, timeout_ms), connection.url
        )
        await self._opened(stream)
        return stream

    def _dial(self, plan: LinkPlan) -> Connection:
        upgrade = proof = None
        target = Target(
            _TRANSPORTS[plan.way.url.scheme],
            plan.host,
            plan.way.url.port,
            server_key=plan.server.bytes,
            seed=plan.secret.reveal() if plan.secret else None,
            timeout_ms=int(self._settings.connect_s * 1_000),
            raw_key=plan.way.form is Form.RAW_KEY,
            proxy=plan.proxy,
        )
        if target.transport is Transport.WS:
            authority = authority_of(plan.way.url.host, plan.way.url.port)
            upgrade = ClientUpgrade(authority, self._entropy(ENTROPY_LENGTH))
            target = replace(target, request=upgrade.request)
            if plan.way.form is Form.BROWSER:
                proof = Proof(plan.server, authority, self._entropy(NONCE_LENGTH), plan.secret)
                target = replace(
                    target,
                    name=plan.way.url.host,
                    server_key=None,
                    seed=None,
                    authorities=self._authorities.certificates(),
                )
        greeting = self._switch.greeting(upgrade, proof)
        return self._switch.connection(self._dialer.dial(target), plan.way.url, greeting)

    async def _opened(self, connection: Connection) -> None:
        try:
            await connection.opened()
        except BaseException:
            connection.fail(Disconnected("it was given up"))
            self._switch.forget(connection)
            raise


def _instead(form: Form, refusal: Refusal | None) -> tuple[Form, ...]:
    """What to try after a form that did not do, the most promising first."""
    match refusal:
        case Refusal.FORM:
            # A web server before the server may know nothing of our name, and break that off as well.
            return (Form.CERTIFICATE, Form.RAW_KEY, Form.BROWSER)
        case Refusal.FOREIGN_CERTIFICATE:
            return (Form.BROWSER,)
        case None:
            # A remembered browser mode may be over. Native mode, which proves more, never leads here.
            return (Form.CERTIFICATE,) if form is Form.BROWSER else ()
