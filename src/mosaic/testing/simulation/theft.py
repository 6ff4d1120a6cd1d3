"""What a thief takes out of a home that he has copied: the key with which it signs.

An honest node that hears that its key is revoked signs nothing more; a thief
has programs of his own.

Source: this project's own design, docs/architecture.md "The network test".
"""

from __future__ import annotations

from pathlib import Path

from mosaic.node.clock import Clock
from mosaic.node.home import Home
from mosaic.node.home_keys import home_password
from mosaic.node.people import People
from mosaic.node.private_db import PrivateDb
from mosaic.node.restore import restore
from mosaic.node.vault import Vault
from mosaic.social.signer import Signer
from mosaic.testing.simulation.town import PASSWORD
from mosaic.testing.simulation.world import Chance


def stolen_signer(backup: Path, folder: Path) -> Signer:
    """Signs in the name of the first person of a home.

    Args:
        backup: A backup of the home, under `PASSWORD`.
        folder: Where it is opened; it must not be there yet.
    """
    with backup.open("rb") as source:
        restore(source, folder, PASSWORD)
    home, nothing = Home(folder), Chance(0, "thief")
    db = PrivateDb(home.private_db)
    try:
        return (
            People(db, Vault(home_password(home, db, nothing), nothing), Clock(), nothing).find(None).signer
        )
    finally:
        db.close()
