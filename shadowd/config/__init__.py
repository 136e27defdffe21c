"""What an administrator wrote, as one frozen value; every other floor takes it from here.

This floor reads one local file and the environment. It refuses to look at a cell's own files, to guess at
a key that it does not know, and to answer a bad value with a default.

- ``load.load(path, environ)``: file and environment to ``models.Settings``, or one ``ConfigError`` that
  lists every problem; ``load.examine`` gives the origin of each value and the warnings besides;
  ``load.from_environment(environ)`` looks at no file
- ``models``: ``Settings``, ``CellSettings``, ``LaunchSettings``, ``ProbeSettings``, ``LogSettings``
- ``light.light_settings(path, environ)``: the minimum that ``status`` and ``check`` need, without pydantic

Nothing is imported here: ``status`` and ``check`` take ``light`` alone and must not pay for the models.
"""
