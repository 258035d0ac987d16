"""What is said to the apps above, which this one does not know.

`spec_changed`: an endpoint's wish changed, look again. Nothing more is said, and after
the transaction, so that whoever looks sees the change.
`async_changed`: a request to be answered later came or was cancelled; said likewise.
`resealing`: the key changes; whoever keeps sealed values renews them.
"""

from django.db import transaction
from django.dispatch import Signal

# Sent with endpoint_id.
spec_changed = Signal()
# Sent with endpoint_id.
async_changed = Signal()
# Sent with reseal(sealed, what) -> sealed, as in endpoints.resealing.Tally.
resealing = Signal()


def announce(endpoint_id: int) -> None:
    """Send `spec_changed` when the current transaction commits."""
    transaction.on_commit(
        lambda: spec_changed.send_robust(sender=None, endpoint_id=endpoint_id)
    )


def announce_async(endpoint_id: int) -> None:
    """Send `async_changed` when the current transaction commits."""
    transaction.on_commit(
        lambda: async_changed.send_robust(sender=None, endpoint_id=endpoint_id)
    )
