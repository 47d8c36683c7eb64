"""The Textual app: screens edit a draft or show an event log; widgets are views and own nothing."""

from os.path import dirname, join

STYLES = join(dirname(__file__), "styles")  # absolute, because Textual resolves it per subclass
