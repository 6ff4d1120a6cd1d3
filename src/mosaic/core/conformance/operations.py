"""All operations of the vector files that are about values of this room."""

from __future__ import annotations

from mosaic.core.conformance import filter_operations, key_schedule_operations, record_operations
from mosaic.core.conformance.case import Operations

CORE_OPERATIONS: Operations = {
    **record_operations.OPERATIONS,
    **filter_operations.OPERATIONS,
    **key_schedule_operations.OPERATIONS,
}
"""To be joined with the operations of messages.json, which are the wire's."""
