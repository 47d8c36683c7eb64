"""tuiftune: from data and a GPU to a measurably better language model, in your terminal."""

__version__ = "0.1.0"
