"""Encoders: users and items in, vectors out.

B batch rows, N items asked for, U users, I items, D embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from reccli.api.batch import Batch
from reccli.api.component import Component, ComponentSettings, Context
from reccli.api.data import Histories, TrainingData
from reccli.api.walk import Walk

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

__all__ = ["TEXT_MODEL", "Encoder"]

TEXT_MODEL = "text_model"
"""Name of a text model among what a pre-training offers."""
EXTRAS = {"adversarial": "adversarial_tables", "compile": "compiled_parts"}


class Encoder(Component, nn.Module):
    """Turns users and items into vectors of one space.

    Life of an encoder: `setup(data, context)` builds parameters (or, with `trainable = False`, solves in closed form);
    then per training step `begin_step()`, `users(batch)`, `items(codes)` and `end_step()`; at the end `export_items()`
    and `export_users(histories)`. A fitted encoder is rebuilt in another process by `setup` with the same data and then
    `load_state_dict`, so all that it learned is in parameters and buffers.

    Class attributes say what it can do; the registry, the loop and the commands ask nothing else.
    """

    trainable: ClassVar[bool] = True
    """False: `setup` is the whole fit, and a loss or sampler given with it is refused."""
    grouped: ClassVar[bool] = False
    """True: batches hold all training rows of each user in them, side by side (see `targets_per_user`)."""
    targets_per_user: int | None = None
    """Where `grouped`: train on at most so many rows of a user each epoch, drawn at random; an instance may set it."""
    serves_new_users: bool = False
    """True: `export_users` works from any history, so users unseen in training are served. An instance may set it."""
    serves_new_items: bool = False
    """True: `encode_texts` gives vectors to items unseen in training. An instance may set it."""
    serves_user_texts: bool = False
    """True: `encode_user_texts` gives vectors to users who describe themselves in words. An instance may set it."""
    joint: ClassVar[bool] = False
    """True: `scores` reads user and item together, for ratings and clicks; it adds to the product of the vectors."""
    own_biases: bool = False
    """True: for ratings and labels the product of its vectors is all that the mean of the values lacks, so that no
    biases of users and items are learned beside it. An instance may set it."""
    one_vector_per_user: bool = False
    """True: the rows of a user in a training batch have one user vector, so that losses need its scores only once. An
    instance may set it."""
    cuts_passes: ClassVar[bool] = False
    """True: `items` itself works in passes of `micro_batch` that keep no activations (texts by length, say); where it
    does not, the loop cuts the codes that it asks for."""
    views: frozenset[str] = frozenset()
    """What auxiliary tasks may contrast: `graph` (by `walk`), `history` (by `read`). An instance may take some back
    before `setup`, so that a task is refused before anything is solved."""
    reads_order: bool = True
    """With views of the `history`: whether the order of its entries counts. An instance may set it."""
    disturb: Callable[[Tensor], Tensor] | None = None
    """With views of the `graph`: changes the vectors after each layer of a training step's own walk; the loop sets
    it for an auxiliary task."""
    constants: ClassVar[frozenset[str]] = frozenset()
    """Names of its buffers, or of those of its parts (`words.mean_L`), that training never changes, as what was solved
    in `setup`: a training keeps them once, not again with the best weights and in each checkpoint. Any module that is a
    part of it may name its own."""
    keeps_walk: bool = False
    """With views of the `graph`: whether auxiliary tasks look at the step's own walk, so that its layers are worth
    their memory; the loop sets it. `walk` gives them in any case."""
    micro_batch: int | None = None
    """Rows or texts of a pass whose activations are not kept but computed again in the backward pass; the loop sets
    it, None keeps all."""
    default_loss: ClassVar[str] = "infonce"
    default_sampler: ClassVar[str] = "in-batch"
    defaults: ClassVar[dict[str, Any]] = {}
    """Values this encoder prefers for the finetune settings (`epochs`, `learning_rate`, `similarity`,
    `loss.temperature` ...); a value that the user sets wins."""

    def __init__(self, settings: ComponentSettings | None = None) -> None:
        nn.Module.__init__(self)
        Component.__init__(self, settings)

    def dot_alone(self, task: str) -> bool:
        """Whether what it exports for a task is compared by the dot product; any other similarity is then refused.

        Asked before `setup`, which may be expensive: settings and task decide.
        """
        return False

    def starts_from(self, offered: Mapping[str, int], task: str) -> frozenset[str]:
        """Return what it starts from, as it is set, of a pre-training; by itself nothing. Asked before `setup`.

        What is not named is not there in `setup`: `data.features` holds the features named, and `context.pretrained` is
        the folder of the run where `text_model` is.

        Args:
            offered: Names of features of items and users with their widths, and `text_model` (0) where there is one.
            task: What is trained for.
        """
        return frozenset()

    def extras(self, device: str) -> frozenset[str]:
        """Return what a run on a device may add to its training: `adversarial`, `compile`. Asked before `setup`.

        By itself what there is a method for: `adversarial_tables`, `compiled_parts`.
        """
        own = type(self)
        return frozenset(
            name for name, method in EXTRAS.items() if getattr(own, method) is not getattr(Encoder, method)
        )

    def setup(self, data: TrainingData, context: Context) -> None:
        """Build parameters for this data, or solve in closed form. Draw only through `context`."""
        raise NotImplementedError(f"{type(self).__name__}.setup")

    def begin_epoch(self, epoch: int) -> None:
        """Do once per epoch what need not be done per step (refresh a cache, redraw a dropped graph)."""

    def rows_of_epoch(self) -> Tensor | None:
        """Return which training rows this epoch trains on, a bool for each, after `begin_epoch`; None for all."""
        return None

    def begin_step(self) -> None:
        """Do once per step what all look-ups share (propagate over the graph)."""

    def end_step(self) -> None:
        """Let go of what `begin_step` made: nothing more is asked of it, and gradients keep what they need.

        It is not called where more than a step's vectors is asked for: a walk, scores of pairs, what is regularised.
        """

    def users(self, batch: Batch) -> Tensor:
        """Return the batch's user embeddings, BD. The row's own positive must not leak into its user."""
        raise NotImplementedError(f"{type(self).__name__}.users")

    def items(self, item_N: Tensor) -> Tensor:
        """Return embeddings of items by code, ND. The codes come without repeats."""
        raise NotImplementedError(f"{type(self).__name__}.items")

    def scores(self, user_R: Tensor, item_R: Tensor, histories: Histories | None = None) -> Tensor:
        """Return what pairs of user and item score beyond the product of their vectors, R (`joint`).

        Args:
            user_R: User codes, rows of the histories.
            item_R: Item codes. What a history says of a pair's own item must not be looked at.
            histories: What is known of users; that of training without any.
        """
        raise NotImplementedError(f"{type(self).__name__}.scores")

    def all_items(self) -> Tensor:
        """Return embeddings of the whole catalogue, ID, with gradients."""
        return self.items(torch.arange(self.n_items, device=self.device))

    def walk(self, step: Callable[[Tensor], Tensor] | None = None) -> Walk:
        """Return the vectors after each layer of propagation over the graph, with gradients (`graph` in `views`).

        Args:
            step: One layer over another graph of the same users and items, VD to VD, users first, which nothing
                disturbs; None for this step's own walk, which `begin_step` has made.
        """
        raise NotImplementedError(f"{type(self).__name__}.walk")

    def read(self, histories: Histories) -> Tensor:
        """Return users by any histories, with gradients, RD on the encoder's device (`history` in `views`).

        In training its own dropout is drawn anew for each row. Entries of weight 0 are not seen; they keep their place
        where there are places.
        """
        raise NotImplementedError(f"{type(self).__name__}.read")

    def regularised(self, batch: Batch) -> list[Tensor]:
        """Return the embeddings used by the batch that L1/L2 regularisation acts on, each of B or N rows.

        The default is none: an encoder with id tables returns the raw rows it looked up.
        """
        return []

    def parameter_groups(self) -> Iterator[dict[str, Any]]:
        """Yield optimiser groups.

        A group has `params`, and where they differ `lr_scale` (times the learning rate), `weight_decay`, and `warmup`
        (share of steps over which the rate rises, if longer than the run's).
        """
        yield {"params": [p for p in self.parameters() if p.requires_grad], "lr_scale": 1.0}

    @torch.no_grad()
    def export_items(self) -> Tensor:
        """Return final item embeddings, ID on the CPU, before the similarity's `stored_items`."""
        self.begin_step()
        item_ID = self.all_items().detach().float().cpu()
        self.end_step()
        return item_ID

    @torch.no_grad()
    def export_users(self, histories: Histories) -> Tensor:
        """Return final user embeddings, UD on the CPU, one row per row of `histories`.

        An encoder with `serves_new_users` uses the histories alone; one without may only be asked for the users it was
        trained on, in their order, and ignores the histories.
        """
        raise NotImplementedError(f"{type(self).__name__}.export_users")

    def export_sparse_items(self) -> csr_matrix | None:
        """Return the sparse part of the item embeddings, IS float32, or None where they are dense alone.

        A score is the product of the dense vectors (which may have no columns) plus that of the sparse ones; the
        similarity is the dot product. An item-item model has the items as columns (S = I): the user is the history, an
        item its column of weights.
        """
        return None

    def export_sparse_users(self, histories: Histories) -> csr_matrix | None:
        """Return the sparse part of the user embeddings, US float32, one row per row of `histories`, or None."""
        return None

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings of items given by text alone, ND on the CPU (`serves_new_items`)."""
        raise NotImplementedError(f"{type(self).__name__}.encode_texts")

    @torch.no_grad()
    def encode_user_texts(self, texts: Sequence[str]) -> Tensor:
        """Return embeddings of users given by text alone, ND on the CPU (`serves_user_texts`)."""
        raise NotImplementedError(f"{type(self).__name__}.encode_user_texts")

    def adversarial_tables(self) -> list[nn.Parameter]:
        """Return the tables of embeddings (users, items, tokens) that adversarial training moves row by row."""
        return []

    def compiled_parts(self) -> list[nn.Module]:
        """Return the modules that `torch.compile` is worth its time for; none unless a subclass says otherwise."""
        return []

    def warm_items(self) -> Tensor | None:
        """Return a bool mask of I items that the encoder has a meaningful vector for, or None for all of them."""
        return None

    def warm_users(self) -> Tensor | None:
        """Return a bool mask of the training users that the encoder has a meaningful vector for.

        None means those with training rows. Only an encoder without `serves_new_users` is asked.
        """
        return None

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        for tensor in (*self.parameters(), *self.buffers()):
            return tensor.device
        return torch.device("cpu")

    @property
    def n_items(self) -> int:
        """Size of the catalogue; set by `setup`."""
        return int(self._n_items)

    @n_items.setter
    def n_items(self, value: int) -> None:
        self._n_items = value
