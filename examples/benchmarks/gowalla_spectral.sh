#!/usr/bin/env bash
# The spectrum alone on Gowalla's published split: Recall@20 and NDCG@20, end to end.
#
# usage: gowalla_spectral.sh INTERACTIONS [WORKSPACE]
#
# INTERACTIONS has columns user_id, item_id and split (train or test), as in the LightGCN paper's split. The number of components is
# chosen on a tenth of the training rows, then all training rows are decomposed; the test part is looked at once.
set -euo pipefail
interactions=$1
export RECCLI_WORKSPACE=${2:-gowalla-workspace}
SECONDS=0
reccli prepare "$interactions" --split given --split-column split
reccli finetune --encoder spectral --set encoder.exponent=0.5
reccli evaluate --k 20 --metric recall --metric ndcg
echo "end to end: $SECONDS s"
