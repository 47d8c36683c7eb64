"""The Textual app: screens edit a draft or show an event log; widgets are views and own nothing."""
