"""How many replicas traffic needs: windows.py and policy.py decide without I/O,
scaler.py gathers the numbers and applies what they say, replay.py tries the policy on
recorded traffic."""
