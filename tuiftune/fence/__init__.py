"""Programs that came with a model (chat templates, tokenizers) run in a process of their own.

It is watched from outside, and ended where it takes too long or too much memory: a regular expression that
Rust is busy with holds the GIL.
"""
