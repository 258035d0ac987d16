"""The one signal: an endpoint's wish changed, look again. Nothing more is said.

It is sent after the transaction, so that whoever looks sees the change.
"""

from django.db import transaction
from django.dispatch import Signal

# Sent with endpoint_id.
spec_changed = Signal()


def announce(endpoint_id: int) -> None:
    """Send `spec_changed` when the current transaction commits."""
    transaction.on_commit(
        lambda: spec_changed.send_robust(sender=None, endpoint_id=endpoint_id)
    )
