"""Servers of an OpenAI-compatible API: a file each for what answers behind it."""
