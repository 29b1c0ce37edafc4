#!/usr/bin/env bash
# Filters of the spectrum and of one hop on Gowalla's published split: Recall@20 and NDCG@20, end to end.
#
# usage: gowalla_spectral.sh INTERACTIONS [WORKSPACE] [recency]
#
# INTERACTIONS has columns user_id, item_id, split (train or test, as in the LightGCN paper's files) and position: the place of an item
# in its user's line of train.txt, and going on in test.txt. The split is by time and so are the lines: the fifth that comes last in
# train is what settings are chosen on, cut as test was. Then all training rows are fitted, and the test part is looked at once. With
# `recency`, scores too may go by the order: what stands later in a line counts more.
set -euo pipefail
interactions=$1
export RECCLI_WORKSPACE=${2:-gowalla-workspace}
settings=(--set encoder.exponent=0.5 --set encoder.one_hop=auto --set encoder.l2=auto --set encoder.held_out=0.2)
if [ "${3:-}" = recency ]; then settings+=(--set encoder.recency=auto); fi
SECONDS=0
reccli prepare "$interactions" --split given --split-column split
reccli finetune --encoder spectral "${settings[@]}"
reccli evaluate --k 20 --metric recall --metric ndcg
echo "end to end: $SECONDS s"
