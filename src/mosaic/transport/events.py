"""What a network reports beside frames, whose number is their type byte (0 to 255).

Source: the kernel's net door, of which these are the numbers.
"""

from mosaic._kernel._rust import (
    DIAL_FAILED,
    DIAL_WRONG_KEY,
    LINK_CLOSED,
    LINK_DRAINED,
    LINK_OPENED,
    LINK_REFUSED_LENGTH,
    LINK_SPOOLED,
)

__all__ = [
    "DIAL_FAILED",
    "DIAL_WRONG_KEY",
    "LINK_CLOSED",
    "LINK_DRAINED",
    "LINK_OPENED",
    "LINK_REFUSED_LENGTH",
    "LINK_SPOOLED",
]
