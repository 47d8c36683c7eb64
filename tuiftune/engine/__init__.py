"""The engine: a process of its own that trains. The only room that imports torch, transformers, peft and trl.

It reads a run directory, writes events, checkpoints and the result into it, and says nothing anywhere else.
"""
