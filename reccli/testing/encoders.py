"""Conformance of encoders. B batch rows, N items, U users, I items, D embedding."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from reccli.api import Encoder, Histories, TrainingData
from reccli.nn.constants import constant
from reccli.testing.encoder_views import EncoderViews, other_item
from reccli.testing.inputs import batch_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["EncoderConformance"]

WIDE = 1024  # as wide as a pre-training's vectors may be wanted


class EncoderConformance(EncoderViews):
    """Every check of an encoder.

    Args:
        component: The registered name, or the class itself.
        settings: Settings to build it with (small sizes keep the checks fast).
    """

    def test_is_an_encoder(self) -> None:
        """It is a subclass of `reccli.api.Encoder`, and `data()` meets its needs."""
        self.expect(issubclass(self.component_class, Encoder), "not a subclass of reccli.api.Encoder")
        missing = self.component_class.needs - self.data().provides()
        self.expect(not missing, f"needs {sorted(missing)}, which data() of the test does not provide")

    def test_training_vectors(self) -> None:
        """`users` gives BD and `items` gives ND of one D, floating and finite, and gradients reach parameters."""
        self.skip_unless(self.component_class.trainable, "solved in closed form")
        self.skip_unless(not self.component_class.joint, "no vectors of users and items alone")
        data, encoder = self._ready()
        encoder.train()
        batch, item_N = batch_of(data), torch.tensor([3, 0, 7])
        self._begin(encoder)
        user_BD, item_ND = encoder.users(batch), encoder.items(item_N)
        self._vectors(user_BD, len(batch), "users(batch)")
        self._vectors(item_ND, len(item_N), "items(codes)")
        self.expect(user_BD.shape[1] == item_ND.shape[1], f"users have {user_BD.shape[1]} numbers, items differ")
        for tensor in encoder.regularised(batch):
            self.expect(tensor.ndim == 2 and tensor.is_floating_point(), "regularised() gives other than embeddings")
        encoder.end_step()
        (user_BD @ item_ND.T).square().sum().backward()
        gradients = [p.grad for p in encoder.parameters() if p.grad is not None]
        self.expect(any(bool(gradient.any()) for gradient in gradients), "no parameter gets a gradient")
        self.expect(all(bool(gradient.isfinite().all()) for gradient in gradients), "a gradient is not finite")

    def test_parameter_groups_hold_every_parameter_once(self) -> None:
        """Each trainable parameter is in exactly one optimiser group."""
        self.skip_unless(self.component_class.trainable, "solved in closed form")
        _, encoder = self._ready()
        grouped = [id(p) for group in encoder.parameter_groups() for p in group["params"]]
        trainable = [id(p) for p in encoder.parameters() if p.requires_grad]
        self.expect(len(grouped) == len(set(grouped)), "a parameter is in two groups")
        self.expect(set(grouped) >= set(trainable), "a trainable parameter is in no group")

    def test_items_do_not_depend_on_their_company(self) -> None:
        """`items` of some codes are those rows of `all_items`."""
        self.skip_unless(self.component_class.trainable, "solved in closed form")
        _, encoder = self._ready()
        encoder.eval()
        self._begin(encoder)
        item_N = torch.tensor([4, 1, 8])
        with torch.no_grad():
            self._close(encoder.items(item_N), encoder.all_items()[item_N], "items(codes) and all_items() differ")

    def test_own_positive_does_not_leak(self) -> None:
        """A row's user vector stays the same when that row's own item becomes another."""
        uses_history = self.component_class.serves_new_users or "history" in self.component_class.needs
        self.skip_unless(uses_history and self.component_class.trainable, "users are not made of their histories")
        data, encoder = self._ready()
        rows = np.arange(int(data.train.offset_U1[2]))
        row = 2
        changed = other_item(data, row)
        other = self._build_on(changed)
        other.load_state_dict(encoder.state_dict())
        vectors = []
        for model, seen in ((encoder, data), (other, changed)):
            model.eval()
            self._begin(model)
            with torch.no_grad():
                vectors.append(model.users(batch_of(seen, rows)))
        self._close(vectors[1][row], vectors[0][row], "the row's own positive leaks into its user vector")

    def test_exports(self) -> None:
        """`export_items` is ID and `export_users` UD, on the CPU, float32 and finite, without gradients."""
        data, encoder = self._ready()
        encoder.eval()
        item_ID, user_UD = encoder.export_items(), encoder.export_users(data.train)
        self._vectors(item_ID, data.n_items, "export_items()")
        self._vectors(user_UD, data.n_users, "export_users(histories)")
        self.expect(item_ID.shape[1] == user_UD.shape[1], "exported users and items have different sizes")
        for tensor in (item_ID, user_UD):
            self.expect(tensor.dtype == torch.float32 and tensor.device.type == "cpu", "exports float32 on the CPU")
            self.expect(not tensor.requires_grad, "exports carry gradients")
        warm_I = encoder.warm_items()
        if warm_I is not None:
            right = warm_I.dtype == torch.bool and tuple(warm_I.shape) == (data.n_items,)
            self.expect(right, f"warm_items() is {warm_I.dtype} of shape {tuple(warm_I.shape)}")

    def test_sparse_exports(self) -> None:
        """Where there are sparse parts: of both kinds, IS and US with one S, float32, finite, compared by products."""
        data, encoder = self._ready()
        item_IS, user_US = encoder.export_sparse_items(), encoder.export_sparse_users(data.train)
        self.expect((item_IS is None) == (user_US is None), "only one of users and items has a sparse part")
        self.skip_unless(item_IS is not None, "dense vectors alone")
        self.expect(encoder.dot_alone(data.task), "dot_alone() is false, and cosines of sparse vectors are not served")
        for matrix, rows, what in ((item_IS, data.n_items, "items"), (user_US, data.n_users, "users")):
            shape = (rows, item_IS.shape[1])
            self.expect(matrix.shape == shape, f"export_sparse_{what}() is {matrix.shape}, not {shape}")
            self.expect(matrix.dtype == np.float32, f"export_sparse_{what}() is {matrix.dtype}")
            self.expect(bool(np.isfinite(matrix.data).all()), f"export_sparse_{what}() has numbers that are not finite")

    def test_seed_decides(self) -> None:
        """Two encoders set up with one seed export the same, whatever torch's own generator is."""
        data = self.data()
        exports = []
        with torch.random.fork_rng(devices=[]):
            for state in (1, 2):
                torch.manual_seed(state)
                exports.append(self._exports(self._build_on(data), data))
        for first, second in zip(*exports, strict=True):
            self._close(second, first, "set up twice with one seed, it differs")

    def test_state_round_trip(self) -> None:
        """Setup in another process and `load_state_dict` give equal vectors: all that is learned is in the state."""
        data, encoder = self._ready()
        if self.component_class.trainable:
            self._train_a_step(encoder, data)
        rebuilt = self._build_on(data)
        state = {name: tensor.detach().clone() for name, tensor in encoder.state_dict().items()}
        rebuilt.load_state_dict(state)
        for first, second in zip(self._exports(encoder, data), self._exports(rebuilt, data), strict=True):
            self._close(second, first, "the state does not hold all that was learned")

    def test_leaves_the_data_as_it_is(self) -> None:
        """Neither `setup` nor a step nor an export changes the data: other trainings share it."""
        data = self.data()
        arrays = {name: getattr(data.train, name) for name in ("offset_U1", "item_E", "value_E", "weight_E", "time_E")}
        before = {name: array.copy() for name, array in arrays.items()}
        encoder = self._build_on(data)
        if self.component_class.trainable:
            self._train_a_step(encoder, data)
        self._exports(encoder, data)
        changed = [name for name, array in arrays.items() if not np.array_equal(array, before[name], equal_nan=True)]
        self.expect(not changed, f"changes {', '.join(changed)} of the training data")

    def test_constants_stay(self) -> None:
        """What it or its parts name as `constants` is in the state, and an epoch's beginning and a step leave it."""
        self.skip_unless(self.component_class.trainable, "solved in closed form")
        data, encoder = self._ready()
        named = {name for part in encoder.modules() for name in getattr(part, "constants", ())}
        held = {name: value.clone() for name, value in constant(encoder).items()}
        known = {name.split(".")[-1] for name in held}
        for name in named:
            self.expect(name.split(".")[-1] in known, f"constants name {name}, which is not in the state")
        self._train_a_step(encoder, data)
        self._begin(encoder)
        for name, value in constant(encoder).items():
            self.expect(torch.equal(value, held[name]), f"training changes {name}, which constants name")

    def test_new_users(self) -> None:
        """With `serves_new_users`: any histories, in any order and number, an empty one included, get vectors."""
        data, encoder = self._ready()
        self.skip_unless(encoder.serves_new_users, "does not serve users unseen in training")
        encoder.eval()
        _, all_UD = self._exports(encoder, data)
        some = np.array([5, 0, 5])
        few = data.train.rows(some)
        few_UD = _filled(encoder.export_users(few), encoder.export_sparse_users(few))
        self._close(few_UD, all_UD[some], "a user depends on its company")
        histories = Histories.from_arrays([0, 0, 2], [1, 4, 9], n_users=3, n_items=data.n_items)
        self._vectors(encoder.export_users(histories), 3, "export_users(new histories, the second one empty)")

    def test_starts_from_what_it_says(self) -> None:
        """Of a pre-training's vectors it reads those that `starts_from` names, and no others."""
        data = self.data()
        for name in ("spectral", "graph_views", "negative_sampling"):
            features = _Recording(
                {
                    name: np.ones((data.n_items, WIDE), np.float32),
                    f"{name}_users": np.ones((data.n_users, WIDE), np.float32),
                }
            )
            said = self.build().starts_from(dict.fromkeys(features, WIDE), data.task)
            self._build_on(replace(data, features=features))
            self.expect(
                said == features.read, f"starts_from() names {sorted(said)}, and {sorted(features.read)} is read"
            )

    def test_new_items(self) -> None:
        """With `serves_new_items`: texts, in any order and company, an empty one included, get vectors."""
        _, encoder = self._ready()
        self.skip_unless(encoder.serves_new_items, "does not serve items unseen in training")
        encoder.eval()
        texts = ["The rocket planet story", "", "kiss, garden & dance", "Ünknown wörds 宇宙"]
        vectors = encoder.encode_texts(texts)
        self._vectors(vectors, len(texts), "encode_texts(texts)")
        self.expect(vectors.shape[1] == encoder.export_items().shape[1], "texts and items have different sizes")
        backwards = encoder.encode_texts(texts[::-1])
        self._close(backwards.flip(0), vectors, "a text's vector depends on its company")

    def test_scores(self) -> None:
        """With `joint`: one score a pair, in any company, with gradients, that the row's own item leaves as it is."""
        self.skip_unless(self.component_class.joint, "scores by vectors")
        data, encoder = self._ready()
        self._train_a_step(encoder, data)
        encoder.eval()
        user_R, item_R = (torch.from_numpy(code_E[:8].copy()) for code_E in (data.train.user_E, data.train.item_E))
        score_R = encoder.scores(user_R, item_R)
        self.expect(tuple(score_R.shape) == (8,) and bool(score_R.isfinite().all()), "scores are not one a pair")
        self.expect(score_R.requires_grad, "scores carry no gradients")
        with torch.no_grad():
            self._close(
                encoder.scores(user_R.flip(0), item_R.flip(0)).flip(0), score_R, "a pair depends on its company"
            )
            self._close(encoder.scores(user_R, item_R, data.train), score_R, "given and own histories differ")
            other = self._build_on(replace(data, train=_other_value(data.train, row=3)))
            other.load_state_dict(encoder.state_dict())
            self._close(other.eval().scores(user_R, item_R)[3], score_R[3], "the row's own value leaks into its score")

    def test_user_texts(self) -> None:
        """With `serves_user_texts`: texts, in any order and company, an empty one included, get vectors."""
        _, encoder = self._ready()
        self.skip_unless(encoder.serves_user_texts, "does not read texts of users")
        encoder.eval()
        texts = ["likes rocket planet", "", "Ünknown wörds 宇宙"]
        vectors = encoder.encode_user_texts(texts)
        self._vectors(vectors, len(texts), "encode_user_texts(texts)")
        self.expect(vectors.shape[1] == encoder.export_items().shape[1], "texts of users and items differ in size")
        self._close(encoder.encode_user_texts(texts[::-1]).flip(0), vectors, "a text's vector depends on its company")

    def _train_a_step(self, encoder: Any, data: TrainingData) -> None:
        encoder.train()
        self._begin(encoder)
        optimiser = torch.optim.SGD([p for p in encoder.parameters() if p.requires_grad], lr=0.01)
        batch = batch_of(data)
        if self.component_class.joint:
            score = encoder.scores(batch.user_B, batch.item_B)
        else:
            score = encoder.users(batch) @ encoder.all_items().T
        score.sigmoid().mean().backward()
        optimiser.step()

    def _exports(self, encoder: Any, data: TrainingData) -> tuple[Tensor, Tensor]:
        encoder.eval()
        items, users = encoder.export_items(), encoder.export_users(data.train)
        return _filled(items, encoder.export_sparse_items()), _filled(users, encoder.export_sparse_users(data.train))


class _Recording(dict[str, Any]):
    """Notes which entries are asked for."""

    def __init__(self, entries: dict[str, Any]) -> None:
        super().__init__(entries)
        self.read: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        self.read |= {name}
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return an entry, or the default."""
        self.read |= {name} & self.keys()
        return super().get(name, default)


def _filled(dense_ND: Tensor, sparse_NS: csr_matrix | None) -> Tensor:
    """Return both parts side by side, zeros written out."""
    if sparse_NS is None:
        return dense_ND
    return torch.cat([dense_ND, torch.from_numpy(sparse_NS.toarray())], dim=1)


def _other_value(train: Histories, row: int) -> Histories:
    value_E = train.value_E.copy()
    value_E[row] = train.value_E.max() + train.value_E.min() - value_E[row]
    return replace(train, value_E=value_E)
