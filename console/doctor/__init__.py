"""What is wrong with this installation, and how to mend it: docs/operating.md.

Each module looks at one thing and answers with findings. It may meet a console of which
any part is down: that is the moment it is for. `running.examine` bounds the time.
"""
