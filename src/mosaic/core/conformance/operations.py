"""All operations of the vector files that are about values of this room.

Source: this project's own design, docs/architecture.md "Small on purpose".
"""

from __future__ import annotations

from mosaic.core.conformance import (
    authentication_operations,
    bootstrap_operations,
    encrypted_key_operations,
    encryption_operations,
    filter_operations,
    key_operations,
    key_schedule_operations,
    kind_operations,
    profile_operations,
    record_operations,
    reference_operations,
    tag_operations,
    timestamp_operations,
    url_operations,
)
from mosaic.core.conformance.case import Operations

CORE_OPERATIONS: Operations = {
    **authentication_operations.OPERATIONS,
    **bootstrap_operations.OPERATIONS,
    **encrypted_key_operations.OPERATIONS,
    **encryption_operations.OPERATIONS,
    **filter_operations.OPERATIONS,
    **key_operations.OPERATIONS,
    **key_schedule_operations.OPERATIONS,
    **kind_operations.OPERATIONS,
    **profile_operations.OPERATIONS,
    **record_operations.OPERATIONS,
    **reference_operations.OPERATIONS,
    **tag_operations.OPERATIONS,
    **timestamp_operations.OPERATIONS,
    **url_operations.OPERATIONS,
}
"""To be joined with the operations of messages.json, which are the wire's."""
