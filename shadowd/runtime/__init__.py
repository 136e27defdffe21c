"""The shell around the core: performs its actions through ports, feeds the answers back, keeps time.

Nothing in here knows a technology; nothing that may hang runs on the decision thread.
"""
