"""tuiftune: fine-tune language models from your terminal."""

__version__ = "0.1.0"
