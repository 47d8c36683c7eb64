"""Optimizers that training would refuse after the model is loaded are refused by the plan."""

from __future__ import annotations

import pytest

from tuiftune.errors import UserError
from tuiftune.plan import optimizers


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("adamw_torch_fusd", r"has no optimizer adamw_torch_fusd\. Did you mean adamw_torch_fused\?"),
        ("zzz", "has no optimizer zzz"),
        ("galore_adamw", "projects the gradients of modules"),
        ("apollo_adamw_layerwise", "projects the gradients of modules"),
        ("lomo", "needs the package lomo_optim"),
    ],
)
def test_what_the_trainer_cannot_use_is_refused(name: str, says: str) -> None:
    with pytest.raises(UserError, match=rf"training\.optimizer.*{says}"):
        optimizers.check(name, here=True)


def test_what_it_has_is_taken_and_packages_count_on_this_machine_alone() -> None:
    for name in ("auto", "adamw_torch", "adamw_8bit", "paged_adamw_8bit", "adafactor", "sgd"):
        optimizers.check(name, here=True)
    optimizers.check("lomo", here=False)


@pytest.mark.long  # transformers takes seconds to import
def test_the_names_are_those_of_the_library() -> None:
    from transformers.training_args import OptimizerNames

    assert optimizers.names() == {one.value for one in OptimizerNames}
