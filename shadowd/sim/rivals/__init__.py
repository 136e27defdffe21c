"""The others in the same world: ``sge_shadowd`` and TORQUE's high availability, from measured facts.

A figure about ours means little alone. So the algorithms of the ancestors run on the same hosts, clocks,
disk and faults, drawn from the same seed, and are counted by the same checkers. They are written from what
was measured of the real programs (GRIDENGINE.md, TORQUE.md, reference/torque-lab.md), in words of our own:
each module says which manners it copies, good ones too, and what it gives the benefit of the doubt.

``script`` plays a program that does one thing after another in virtual time; ``host`` is a host on which
such a program runs in the place of our daemon; the others are one program each. This package refuses to
make a rival worse than it was measured: where a fact is missing, the kinder guess is taken.
"""
