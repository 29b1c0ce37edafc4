"""Conformance of losses. B batch rows, N negatives, D embedding, I items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from reccli.api import Loss, LossInputs, LossOutput
from reccli.testing.conformance import Conformance
from reccli.testing.inputs import loss_inputs

__all__ = ["LossConformance"]

TASKS = ("ranking", "rating", "ctr")
ROW_FIELDS = ("user_BD", "positive_BD", "item_B", "target_B", "weight_B", "negative_BND", "known_BN", "known_BI")


class LossConformance(Conformance):
    """Every check of a loss.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with.
        own_negatives: Whether it works with each row's own negatives, too.
    """

    kind = "loss"
    own_negatives: ClassVar[bool] = True

    def test_is_a_loss(self) -> None:
        """It is a subclass of `reccli.api.Loss`, and its needs are ones that data or a sampler can meet."""
        self.expect(issubclass(self.component_class, Loss), "not a subclass of reccli.api.Loss")
        possible = {"negatives", "table", "ratings", "labels"}
        for task in TASKS:
            needs = self.component_class.needs_for(task)
            self.expect(needs <= possible, f"needs {sorted(needs - possible)}; a loss can need {sorted(possible)}")

    def test_one_finite_value_per_row(self) -> None:
        """Values have shape (B,) and the inputs' type, and are finite, for every similarity."""
        for dtype in (torch.float32, torch.float64):
            for similarity in ("dot", "cosine", "euclidean"):
                for inputs in self._cases(dtype=dtype, similarity=similarity):
                    output = self._run(inputs)
                    rows = (len(inputs.user_BD),)
                    self.expect(output.value_B.shape == rows, f"values of shape {tuple(output.value_B.shape)}")
                    self.expect(output.value_B.dtype == dtype, f"{dtype} in, {output.value_B.dtype} out")
                    self.expect(bool(output.value_B.isfinite().all()), f"not finite: {output.value_B}")
                    for name, term in output.terms.items():
                        self.expect(term.ndim == 0 and bool(term.isfinite()), f"term '{name}' is {term}")

    def test_rows_may_stand_in_any_order(self) -> None:
        """Permuting the rows permutes the values and leaves the terms."""
        for inputs in self._cases():
            order = torch.arange(len(inputs.user_BD)).roll(1)
            changes: dict[str, Any] = {name: _at(getattr(inputs, name), order) for name in ROW_FIELDS}
            if self.component_class.only_in_batch:
                changes |= {name: _at(getattr(inputs, name), order) for name in ("negative_ND", "log_q_N")}
                changes["known_BN"] = changes["known_BN"][:, order]
            self._same(self._run(replace(inputs, **changes)), self._run(inputs), "rows were permuted", order)

    def test_negatives_may_stand_in_any_order(self) -> None:
        """Permuting the negatives changes nothing."""
        for inputs in self._cases():
            if inputs.known_BN is None or self.component_class.only_in_batch:
                continue
            order = torch.arange(inputs.known_BN.shape[1]).roll(1)
            changed = replace(
                inputs,
                negative_ND=_at(inputs.negative_ND, order),
                negative_BND=None if inputs.negative_BND is None else inputs.negative_BND[:, order],
                known_BN=inputs.known_BN[:, order],
                log_q_N=_at(inputs.log_q_N, order),
            )
            self._same(self._run(changed), self._run(inputs), "negatives were permuted")

    def test_counted_negatives_weigh_as_repeated_ones(self) -> None:
        """Where it weighs shared negatives by counts, one that counts thrice is one that comes three times."""
        self.skip_unless(self.component_class.counts_negatives, "this loss does not count negatives")
        for inputs in self._cases():
            if inputs.negative_ND is None or inputs.known_BN is None:
                continue
            count_N = torch.arange(inputs.known_BN.shape[1]) % 3 + 1
            place_N = torch.repeat_interleave(torch.arange(len(count_N)), count_N)
            repeated = replace(
                inputs,
                negative_ND=inputs.negative_ND[place_N],
                known_BN=inputs.known_BN[:, place_N],
                log_q_N=_at(inputs.log_q_N, place_N),
            )
            counted = replace(inputs, count_N=count_N.float())
            self._same(self._run(counted), self._run(repeated), "negatives were counted, not repeated")

    def test_known_positives_are_left_out(self) -> None:
        """The embedding of a negative that is masked in every row neither changes a value nor gets a gradient."""
        for inputs in self._cases():
            name, hidden = self._hide_first(inputs)
            if name is None:
                continue
            inside = (slice(None), 0) if name == "negative_BND" else (0,)
            moved = getattr(hidden, name).detach().clone()
            moved[inside] += 3.0
            before = self._run(hidden)
            self._same(self._run(replace(hidden, **{name: moved})), before, f"a known positive in {name} was moved")
            gradient = _gradients(hidden, before)[name]
            self.expect(not bool(gradient[inside].any()), f"a known positive in {name} gets a gradient")

    def test_without_valid_negatives(self) -> None:
        """Values and gradients are finite where all negatives are known, where there are none, and for one row."""
        for inputs in self._cases():
            for shrunk in self._shrunk(inputs):
                output = self._run(shrunk)
                self.expect(bool(output.value_B.isfinite().all()), f"not finite without negatives: {output.value_B}")
                self._finite_gradients(shrunk, output, "without valid negatives")

    def test_gradients_are_finite(self) -> None:
        """Gradients are finite for ordinary, huge and zero embeddings in float32."""
        for scale in (1.0, 100.0, 0.0):
            for similarity in ("dot", "cosine", "euclidean"):
                for inputs in self._cases(dtype=torch.float32, similarity=similarity, scale=scale):
                    self._finite_gradients(inputs, self._run(inputs), f"at scale {scale:g} with {similarity}")

    def test_training_lowers_it(self) -> None:
        """A small step against the gradient lowers the total."""
        for inputs in self._cases():
            output = self._run(inputs)
            gradients = _gradients(inputs, output)
            length = sum(float(gradient.square().sum()) for gradient in gradients.values()) ** 0.5
            self.expect(length > 0, "no embedding gets a gradient")
            stepped = {name: getattr(inputs, name) - 1e-4 / length * gradients[name] for name in gradients}
            before, after = output.total(inputs.weight_B), self._run(replace(inputs, **stepped)).total(inputs.weight_B)
            self.expect(bool(after < before), f"a step against the gradient went from {before} to {after}")

    def test_is_deterministic(self) -> None:
        """Two losses of the same settings, called twice, agree; their state goes from one to the other."""
        for inputs in self._cases():
            first, second = self.build(), self.build()
            second.load_state_dict(first.state_dict())
            self._same(second(inputs), first(inputs), "another instance was asked")
            self._same(first(inputs), second(inputs), "it was asked twice")

    def _cases(self, **options: Any) -> Iterator[LossInputs]:
        seen = set()
        for task in TASKS:
            needs = self.component_class.needs_for(task)
            in_batch = self.component_class.only_in_batch
            own_too = "negatives" in needs and self.own_negatives and not in_batch
            for own in (False, True) if own_too else (False,):
                if (needs, own) not in seen:
                    seen.add((needs, own))
                    yield loss_inputs(needs=needs, own=own, in_batch=in_batch, **options)

    def _run(self, inputs: LossInputs) -> LossOutput:
        output: LossOutput = self.build()(inputs)
        return output

    def _same(self, got: LossOutput, expected: LossOutput, when: str, order: Tensor | None = None) -> None:
        value_B = expected.value_B if order is None else expected.value_B[order]
        self.expect(torch.allclose(got.value_B, value_B, rtol=1e-9, atol=1e-9), f"values changed when {when}")
        self.expect(got.terms.keys() == expected.terms.keys(), f"other terms when {when}")
        for name, term in expected.terms.items():
            self.expect(torch.allclose(got.terms[name], term), f"term '{name}' changed when {when}")

    def _hide_first(self, inputs: LossInputs) -> tuple[str | None, LossInputs]:
        if inputs.known_BN is not None:
            known_BN = inputs.known_BN.clone()
            known_BN[:, 0] = True
            name = "negative_ND" if inputs.negative_ND is not None else "negative_BND"
            return name, replace(inputs, known_BN=known_BN)
        if inputs.known_BI is not None and self.build().masks_table:
            known_BI = inputs.known_BI.clone()
            known_BI[:, 0] = True
            return "table_ID", replace(inputs, known_BI=known_BI, item_B=inputs.item_B.clamp_min(1))
        return None, inputs

    def _shrunk(self, inputs: LossInputs) -> Iterator[LossInputs]:
        row = torch.tensor([0])
        changes: dict[str, Any] = {name: _at(getattr(inputs, name), row) for name in ROW_FIELDS}
        one = replace(inputs, **changes)
        yield one
        if inputs.known_BN is not None and one.known_BN is not None:
            yield replace(inputs, known_BN=torch.ones_like(inputs.known_BN))
            yield replace(one, known_BN=torch.ones_like(one.known_BN))
            if self.component_class.only_in_batch:
                return
            yield replace(
                inputs,
                negative_ND=None if inputs.negative_ND is None else inputs.negative_ND[:0],
                negative_BND=None if inputs.negative_BND is None else inputs.negative_BND[:, :0],
                known_BN=inputs.known_BN[:, :0],
                log_q_N=None if inputs.log_q_N is None else inputs.log_q_N[:0],
            )

    def _finite_gradients(self, inputs: LossInputs, output: LossOutput, when: str) -> None:
        for name, gradient in _gradients(inputs, output).items():
            self.expect(bool(gradient.isfinite().all()), f"gradient of {name} is not finite {when}")


def _at(tensor: Tensor | None, order: Tensor) -> Tensor | None:
    return None if tensor is None else tensor[order]


def _gradients(inputs: LossInputs, output: LossOutput) -> dict[str, Tensor]:
    tensors = {entry.name: getattr(inputs, entry.name) for entry in fields(inputs)}
    wanted = {name: value for name, value in tensors.items() if isinstance(value, Tensor) and value.requires_grad}
    total = output.total(inputs.weight_B)
    found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True, retain_graph=True)
    return {
        name: torch.zeros_like(value) if gradient is None else gradient
        for (name, value), gradient in zip(wanted.items(), found, strict=True)
    }
