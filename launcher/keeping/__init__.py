"""Backup and restore of a whole installation: docs/operating.md.

Standard library only: a restore begins on a machine that has nothing else yet.
"""
