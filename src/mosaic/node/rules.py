"""What an operator's settings make of a server's policy, at its start and whenever they change.

Source: network.md (Server Roles); this project's own design, docs/architecture.md "Operations".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mosaic.core.keys import PublicKey
from mosaic.node.erased import ErasedKeys
from mosaic.node.horizons import Horizons
from mosaic.node.kept import Kept
from mosaic.node.plugin import Program, load, load_hooks
from mosaic.node.private_db import PrivateDb
from mosaic.node.served import ServedPeople
from mosaic.node.settings import NodeSettings
from mosaic.policy.introductions import Introductions
from mosaic.policy.invitations import redeems_invitations
from mosaic.policy.retention import AuthorClass, Retention
from mosaic.policy.roles import roles_of
from mosaic.policy.rules import not_erased
from mosaic.policy.served import Served
from mosaic.policy.verdict import Hook
from mosaic.policy.whole import Policy, policy_of
from mosaic.policy.withhold import strangers
from mosaic.server.acquaintance import has_stored
from mosaic.server.server import Server
from mosaic.store.store import Store

PROGRAM: Final = "program"
"""In `[serves] hook`: the program of `[policy]` judges each record, so everybody may be served."""


class Rules:
    """The policy of a node's server: who is served, the roles, the operator's own rules.

    Args:
        db: Where the list of people is.
        lives_here: Whether a master key (32 bytes) is that of somebody in this home.
        now_ns: The clock.
        entropy: Random bytes of a length.
    """

    def __init__(
        self,
        db: PrivateDb,
        lives_here: Callable[[bytes], bool],
        now_ns: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self.kept = Kept(db)
        self.served = ServedPeople(db, lives_here, now_ns, entropy)
        self.program = Program(time.monotonic)
        self.erased = ErasedKeys(db)
        self.retention = Retention(self.class_of, now_ns, full_until=Horizons(db), spares=self.kept.has)
        self.first: list[Hook] = [
            not_erased(self.erased.until_of),
            self.retention.hook(),
            redeems_invitations(self._redeem),
        ]
        """Asked before the roles: what holds for everybody. Other parts of the node add theirs."""
        self._now_ns = now_ns
        self._lives_here = lives_here
        self._server: Server
        self._introductions: Introductions

    def rule(self, server: Server, store: Store, settings: NodeSettings) -> None:
        """Lets a server follow the settings, before it starts. Raises SettingsInvalid."""
        self._server = server
        server.moderation.erasures = self.erased
        self._introductions = Introductions(has_stored(store), self._now_ns)
        self.prepared(settings)()
        self.served.watch(server.people_changed)

    def prepared(self, settings: NodeSettings) -> Callable[[], None]:
        """What lets the server follow other settings, once it is called.

        Raises:
            SettingsInvalid: a function that they name can't be loaded.
        """
        policy, hook = self._policy(settings), _hook(settings)
        retained = settings.retention.rules()

        def follow() -> None:
            self.served.choose(settings.serves.who, hook)
            self._server.follow_policy(policy)
            self.retention.follow(retained)
            self.program.use(settings.policy.program, settings.policy.program_wait_s)

        return follow

    def _policy(self, settings: NodeSettings) -> Policy:
        last = load_hooks(settings.policy.hooks)
        withhold = strangers(self._server.contacts) if settings.roles.withhold else None
        roles = roles_of(settings.roles, self.served.serves, self._introductions, withhold)
        return policy_of(roles, self.served.serves, first=self.first, last=last)

    def class_of(self, author: bytes) -> AuthorClass:
        """What an author (32 bytes) is to this node."""
        if self._lives_here(author):
            return AuthorClass.HOME
        if self.served.serves(author):
            return AuthorClass.SERVED
        return AuthorClass.CONTACT if author in self._server.contacts else AuthorClass.STRANGER

    def _redeem(self, author: bytes, code: bytes) -> bool:
        return self.served.redeem(PublicKey(author), code)


def _hook(settings: NodeSettings) -> Served | None:
    name = settings.serves.hook
    return load(name) if name and name != PROGRAM else None
