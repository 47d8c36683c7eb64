"""The files below a directory, to choose the training data from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.markup import escape
from textual.widgets import DirectoryTree

from tuiftune import paths
from tuiftune.paths import is_dir
from tuiftune.printable import printable
from tuiftune.tui.keys.scopes import DIALOG, FILES, LIST
from tuiftune.tui.kit.dialogs import ListDialog
from tuiftune.tui.kit.path_completion import DATA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult


class DataTree(DirectoryTree):
    """Directories and the files that can hold rows."""

    ICON_NODE = "+ "
    ICON_NODE_EXPANDED = "- "
    ICON_FILE = "  "

    def filter_paths(self, paths: Iterable[Path]) -> Iterable[Path]:
        return [
            path for path in paths if not path.name.startswith(".") and (path.suffix in DATA or is_dir(path))
        ]


class Files(ListDialog[Path | None]):
    """The dialog. Dismissed with the chosen file, or None."""

    SCOPES = (DIALOG, FILES, LIST)
    LIST = DataTree

    def __init__(self, start: Path) -> None:
        super().__init__()
        start = start if paths.is_dir(start) else start.parent
        self._start = paths.followed(start if paths.is_dir(start) else Path())

    def _title(self) -> str:
        return escape(printable(str(self._start)))

    def compose(self) -> ComposeResult:
        with Vertical(id="picker", classes="-whole") as box:
            box.border_title = self._title()
            box.border_subtitle = "Enter: use, Backspace: parent directory, Esc: cancel"
            yield DataTree(str(self._start))

    def on_directory_tree_file_selected(self, event: DirectoryTree.FileSelected) -> None:
        self.dismiss(Path(paths.from_here(event.path)))

    def action_inner(self) -> None:
        """Open the directory under the cursor."""
        node = self.query_one(DataTree).cursor_node
        if node is not None and node.allow_expand:
            node.expand()

    def action_outer(self) -> None:
        self._start = self._start.parent
        self.query_one(DataTree).path = self._start
        self.query_one("#picker").border_title = self._title()
