"""Makes the world match the wish: observe, plan, execute.

The only place that sees both together. A call only says "look again"; what is done
follows from the state of the world, so a lost, late or doubled call costs time only.
"""
