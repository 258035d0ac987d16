"""Requests that are answered later, between being taken and being answered.

`queue` says which are due, `leases` whose they are, `verdicts` what an answer means for
one. The runner has a task for each that is being sent (replicas/runner/delivering.py).
"""
