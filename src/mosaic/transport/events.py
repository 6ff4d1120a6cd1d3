"""What a network reports beside frames, whose number is their type byte (0 to 255).

Source: this project's own design, docs/architecture.md "The kernel": its net door's numbers.
"""

from typing import Final

from mosaic._kernel import _rust

LINK_OPENED: Final = _rust.LINK_OPENED
LINK_CLOSED: Final = _rust.LINK_CLOSED
LINK_REFUSED_LENGTH: Final = _rust.LINK_REFUSED_LENGTH
LINK_DRAINED: Final = _rust.LINK_DRAINED
LINK_SPOOLED: Final = _rust.LINK_SPOOLED
LINK_UPGRADE: Final = _rust.LINK_UPGRADE
DIAL_FAILED: Final = _rust.DIAL_FAILED
DIAL_WRONG_KEY: Final = _rust.DIAL_WRONG_KEY
DIAL_REFUSED_FORM: Final = _rust.DIAL_REFUSED_FORM
DIAL_FOREIGN_CERTIFICATE: Final = _rust.DIAL_FOREIGN_CERTIFICATE
