"""The main job on one machine, told line by line: a CA, a mail server, a domain with three components, and its Prosody.

It uses the project by its commands, as an administrator does, and must never listen or talk beyond loopback, nor leave
a process behind. `make demo` runs it as `python -m demo`; Prosody and the streams to it are those of `tests/peers`.
"""
