"""Whether weights are numbers is asked without room for a copy of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tuiftune.engine.model import base
from tuiftune.errors import UserError

FROM: Any = SimpleNamespace(reference="someone/model")


class Largest(TorchDispatchMode):
    """The most elements of anything that was made, views of what is there aside."""

    def __init__(self, there: torch.Tensor) -> None:
        super().__init__()
        self.there, self.most = there.untyped_storage().data_ptr(), 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(one, torch.Tensor) and one.untyped_storage().data_ptr() != self.there:
                self.most = max(self.most, one.numel())
        return made


def test_it_takes_no_copy_of_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LOOKED_AT", 1000)
    table = torch.nn.Embedding(5000, 16)
    with Largest(table.weight) as seen:
        base.check_numbers(table, FROM)
    assert 0 < seen.most <= 1000


def test_a_single_one_that_is_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "LOOKED_AT", 1000)
    table = torch.nn.Embedding(5000, 16)
    table.weight.data[4999, 15] = torch.nan
    with pytest.raises(UserError, match="NaN or infinite values: weight"):
        base.check_numbers(table, FROM)
