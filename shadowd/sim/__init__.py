"""The simulated world: what stands in for the real one in tests, in ``demo`` and in ``simulate``.

Why in the package: the demonstration and the simulator are part of what people get, and a fake that both
they and the tests use cannot drift from what it imitates. Fakes live here and nowhere else; what they
imitate was measured (GRIDENGINE.md, NFS.md), and each says which manners it copies. Nothing on the other
floors imports this one but the composition root and the verbs that are about simulation.
"""
