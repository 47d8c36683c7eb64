"""The data step in plain prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiftune.cli.plain.walk import WHY, Walk, sources
from tuiftune.cli.terminal import err
from tuiftune.cli.terminal import say_wrapped as say
from tuiftune.errors import UserError
from tuiftune.wizard import cleaning, labels
from tuiftune.wizard.findings import trainable

if TYPE_CHECKING:
    from tuiftune.data.clean.run import Settings
    from tuiftune.data.dataset import Dataset
    from tuiftune.wizard.draft import Draft


class Data(Walk):
    """Rows that can be trained on, cleaned where the user agrees."""

    def _data(self) -> None:
        while True:
            draft = self.draft.with_(data=sources(self._which_data("File, directory or glob", "data")))
            try:
                if (read := self._readable(draft)) is None:
                    continue
                self._inspected(read)
                draft = self._one_spelling(read)
            except UserError as error:
                say(f"  {error}")
                continue
            if self._outcome.plan is None or self._planned(draft):
                fresh = cleaning.with_sources(self.draft, draft.data)
                self.draft = fresh.with_(format=draft.format, columns=draft.columns)
                return

    def _readable(self, draft: Draft) -> Draft | None:
        """Ask for the roles of the columns where they can't be detected. Returns the draft to use; None: ask
        for other data.

        Raises UserError for data that nothing can be trained on.
        """
        from tuiftune.cli.plain.columns import mapped
        from tuiftune.data.detect.formats import ColumnsError, UndetectedError

        try:
            return self._whole(draft)
        except ColumnsError as error:
            undetected = isinstance(error, UndetectedError)  # the remedy is asked for next
            say(f"  {error.place}: {error.message}" if undetected else f"  {error}")
            found = mapped(self._asks, draft, offered=undetected)
            return None if found is None else self._whole(found)

    def _whole(self, draft: Draft) -> Draft:
        """Ask whether malformed lines are left out, in a new file. Returns the draft to use.

        Raises UserError for data that nothing can be trained on.
        """
        from tuiftune.data.clean.run import Settings
        from tuiftune.data.read.malformed import MalformedError

        try:
            trainable(self._findings.dataset(draft))
        except MalformedError as error:
            say(f"  {error.place}: {error.message}")
            if not self._asks.yes(
                "Write a clean copy without malformed lines, and use it?", True, why=WHY["whole"]
            ):
                raise
            from tuiftune.data.read.load import load

            columns = dict(draft.columns) or None
            read = load(
                list(draft.data), format=draft.format, columns=columns, system=draft.system, keep_going=True
            )
            draft = self._cleaned(draft, read, Settings())
            trainable(self._findings.dataset(draft))
        return draft

    def _one_spelling(self, draft: Draft) -> Draft:
        """Ask whether near-identical labels are merged, into a new file. Returns the draft to use."""
        from tuiftune.data.clean.run import Settings

        dataset = self._findings.dataset(draft)
        found = labels.similar(dataset)
        if not found.pairs:
            return draft
        say(f"  {found}")
        if not self._asks.yes(labels.ASKS, True, why=WHY["labels"]):
            return draft
        return self._cleaned(draft, dataset, Settings(labels="merge"))

    def _cleaned(self, draft: Draft, dataset: Dataset, how: Settings) -> Draft:
        """Write a clean copy of the data. Returns the draft that uses it."""
        from tuiftune.data.clean.run import clean

        output = cleaning.output_of(draft.data, dataset.files)
        done = clean(dataset, output, how)
        written = ", ".join(f"{path} ({rows:,} rows)" for path, (rows, _) in done.written.items())
        say(f"  Wrote {written}; {output.stem}.changes.jsonl lists every change. Your file is unchanged.")
        return cleaning.repaired(draft, list(done.written))

    def _inspected(self, draft: Draft) -> None:
        """Print what `tuiftune data inspect` reports, and two rows as the model will see them."""
        from tuiftune.data.inspect import inspect
        from tuiftune.data.report.terminal import render
        from tuiftune.wizard.draft import checked_with

        dataset = self._findings.dataset(draft)
        limit, held_out, seed = checked_with(draft)
        tokenizer = self._findings.model_of(draft).path
        render(inspect(dataset, tokenizer=tokenizer, max_length=limit, eval_spec=held_out, seed=seed), err())
        for example in dataset.head(2):
            for role, content in example.parts():
                say(f"  row {example.row} {role}: {content[:200]}")
