"""What an action of the plan would do, as a sentence for the shell. Pure."""

from __future__ import annotations

from replicas.reconciler.actions import (
    Act,
    Action,
    Add,
    Drop,
    Forget,
    Settle,
    StopRollout,
    Verb,
)

_VERBS: dict[Verb, str] = {
    "assign": "book hardware for {}, or keep its place in line",
    "fetch": "get the image for {}",
    "fetch_timeout": "give up the image of {}, which has not come in time",
    "launch": "create and start the container of {}",
    "adopt": "take over the container of {}, which runs already",
    "ready": "let requests in at {}, which has answered",
    "restarted": "keep requests away from {}, which somebody restarted",
    "silent": "keep requests away from {}, which does not answer",
    "answering": "let requests in at {} again",
    "exited": "write that the container of {} has ended",
    "gone": "write that the container of {} was taken away",
    "no_address": "start {} anew: its container has no address",
    "timeout": "give up {}, which has not answered in time",
    "restart_silent": "start {} anew: it has not answered for too long",
    "gpu_lost": "replace {}, whose GPU is gone",
    "retry": "try {} again",
    "retire": "take {} out of traffic and let it end",
    "call_back": "let requests in at {} again, which is needed after all",
    "terminate": "ask the container of {} to end",
    "kill": "end the container of {}, which did not end when asked",
    "remove": "remove the container of {}, which has ended",
    "finish": "write that {} is over",
}


def in_words(action: Action) -> str:
    match action:
        case Act():
            r = action.replica
            return _VERBS[action.verb].format(f"replica {r.number} (id {r.id})")
        case Add():
            return f"add replica {action.number}"
        case Drop():
            return f"remove container {action.container_id[:12]}, which nobody owns"
        case Forget():
            return "forget the endpoint: nothing of it is left"
        case Settle():
            return f"write that revision {action.revision} runs in full"
        case StopRollout():
            return (
                f"give up revision {action.revision} and serve on with "
                f"{action.fallback}"
            )
