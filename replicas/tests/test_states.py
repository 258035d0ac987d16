"""A replica's states: their words, and which moves make sense."""

from replicas.states import LABELS, MOVES, SPOKEN, ReplicaState


def test_every_replica_state_has_its_words_and_moves():
    everything = set(ReplicaState)
    assert set(LABELS) == set(SPOKEN) == set(MOVES) == everything
    assert {state.label for state in everything} == set(LABELS.values())
    assert ReplicaState.WAITING.spoken == "waiting for hardware"


def test_each_replica_can_be_stopped_and_each_story_ends():
    for state, moves in MOVES.items():
        if state is ReplicaState.STOPPED:
            assert not moves
        elif state is ReplicaState.STOPPING:
            assert moves == {ReplicaState.READY, ReplicaState.STOPPED}
        else:
            assert ReplicaState.STOPPING in moves
        assert state not in moves
