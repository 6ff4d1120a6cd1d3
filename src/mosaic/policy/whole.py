"""The whole policy of a server: what is asked about each record and each blob, in order.

First what holds for everybody (bans, erased authors, sizes, work), then the
roles, or the rules of a home where there is none, then the operator's own
rules. The first refusal wins; a rule that fails refuses.

Source: network.md (Server Roles); this project's own design, docs/architecture.md "What a server takes".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.policy.blob_upload import BlobHook
from mosaic.policy.home import home_hooks, own_people_upload
from mosaic.policy.roles import Role, any_of, any_upload
from mosaic.policy.rules import no_bare_private_kinds
from mosaic.policy.served import Served
from mosaic.policy.verdict import Hook


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in the order in which they are asked.

    Args:
        records: About records that come in.
        blobs: About blobs that somebody wants to store.
    """

    records: tuple[Hook, ...]
    blobs: tuple[BlobHook, ...]


def policy_of(
    roles: Sequence[Role], served: Served, *, first: Sequence[Hook] = (), last: Sequence[Hook] = ()
) -> Policy:
    """The policy of a server with some roles, or of a home without any.

    Args:
        roles: In the order in which they are asked, see `mosaic.policy.roles.roles_of`.
        served: Whom a home serves; roles know it themselves.
        first: Asked before the roles: what holds for everybody.
        last: Asked behind them: the operator's own rules.
    """
    if roles:
        return Policy((*first, no_bare_private_kinds, any_of(roles), *last), (any_upload(roles),))
    return Policy(
        (*first, no_bare_private_kinds, *home_hooks(served), *last),
        (own_people_upload(served),),
    )
