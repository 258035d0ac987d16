"""The worker's long-lived part: one asyncio loop beside the task pool.

It follows engine events and logs, fetches images and probes replicas. What it should
be doing follows from the database; a ring at the doorbell only means "look now".
"""
