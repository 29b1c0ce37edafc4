"""From tables of strings to coded, cleaned and split interactions: pure functions over polars frames and numpy arrays.

Coded rows are a frame with the columns `user` and `item` (u32 codes in the order of the sorted ids), `value`, `weight`
(f32), `time` (i64, null without one), `row` (u32, the row's number over all input files) and, where parts are given,
`part` (u8).
"""
