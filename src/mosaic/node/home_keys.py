"""The keys of a home itself: the password of all its secret keys, and its server's key.

Both are made when the home is new, and stay.

Source: record.md (keys), edition §3; how they lie on disk: `mosaic.node.keyring`, `mosaic.node.people`.
"""

from __future__ import annotations

from mosaic.core import human
from mosaic.core.authentication import Authentication, Role
from mosaic.core.keys import SecretKey
from mosaic.node.home import Home
from mosaic.node.keyring import keep_password, read_password
from mosaic.node.private_db import PrivateDb
from mosaic.node.surroundings import Entropy
from mosaic.node.vault import Vault
from mosaic.server.identity import Prover


def home_password(home: Home, db: PrivateDb, entropy: Entropy) -> str:
    """The password of this home's keys. Raises HomeDamaged when it is lost."""
    home_id = db.meta("home_id")
    if home_id is None:
        home_id = entropy(16).hex()
        password = human.encode("", entropy(32))
        keep_password(home, home_id, password)
        db.set_meta("home_id", home_id)
        return password
    return read_password(home, home_id)


def server_secret(db: PrivateDb, vault: Vault, entropy: Entropy) -> SecretKey:
    """The server's key. Raises HomeDamaged when the password does not open it."""
    sealed = db.meta("server_secret")
    if sealed is not None:
        return vault.open(sealed)
    secret = SecretKey.from_seed(entropy(32))
    db.set_meta("server_secret", vault.seal(secret))
    return secret


def server_prover(secret: SecretKey, entropy: Entropy) -> Prover:
    """What proves the server's key to browsers; whoever holds it can sign nothing else."""

    def sign(authentication: Authentication) -> bytes:
        return authentication.sign(Role.SERVER, secret)

    return Prover(secret.public.bytes, sign, entropy)
