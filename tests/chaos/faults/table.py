"""Every fault by its kind: called with the stage and its args; raises Missed."""

from tests.chaos.faults import clock, containers, database, engine, home, processes

STRIKES = {
    **processes.STRIKES,
    **engine.STRIKES,
    **containers.STRIKES,
    **home.STRIKES,
    **clock.STRIKES,
    **database.STRIKES,
}
