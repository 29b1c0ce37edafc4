"""The batch's own positives as negatives. B batch rows, N negatives (here N = B), I items."""

from __future__ import annotations

import torch
from torch import Tensor

from reccli.api import Context, Negatives, Sampler, TrainingData
from reccli.errors import DataError

__all__ = ["InBatch"]


class InBatch(Sampler):
    """Tell a row's positive apart from the other rows' positives; nothing is drawn and no item is encoded twice.

    ::

        shared_N = item_B        q_i = c_i / sum over j of c_j

    with `c_i` the training interactions of item i: the batch is a sample of the interactions, so popular items come
    often. The loop marks each row's own positive, and the user's other ones, as known.

    Shapes:
        item_B -> shared_N and log_q_N with N = B.

    Raises:
        DataError: There are no training interactions.

    Notes:
        A batch of one row has no negatives. Strength grows with the batch size; 512 to 8192 rows are usual.

    Paper:
        Yi et al.: Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations, RecSys 2019,
        https://doi.org/10.1145/3298689.3346996, section 3 (with `log_q` of the loss, from exact counts, not streamed
        ones).

    Pairs well with:
        `infonce`, and encoders whose items are expensive (text).

    Example:
        >>> import torch
        >>> from reccli.api import Context, Histories, TrainingData
        >>> data = TrainingData(Histories.from_arrays([0, 0, 1], [0, 2, 2], n_users=2, n_items=4))
        >>> sampler = InBatch()
        >>> sampler.setup(data, Context())
        >>> sampler.sample(torch.tensor([0, 1]), torch.tensor([0, 2]), torch.Generator()).shared_N
        tensor([0, 2])
    """

    def setup(self, data: TrainingData, context: Context) -> None:
        """Take the logarithm of each item's share of the training interactions."""
        count_I = torch.from_numpy(data.item_count_I()).double()
        if not count_I.sum():
            raise DataError("there are no training interactions to draw negatives from")
        self._log_q_I = (count_I / count_I.sum()).log().float()

    def sample(self, user_B: Tensor, item_B: Tensor, generator: torch.Generator) -> Negatives:
        """Return the batch's positives."""
        log_q_N = self._log_q_I[item_B.cpu()].to(item_B.device)
        return Negatives(shared_N=item_B, log_q_N=log_q_N, in_batch=True)
