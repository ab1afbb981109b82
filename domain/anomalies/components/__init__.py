"""Parts of the causal score, one per file. Each takes its state and a block of rows and gives back the state and a surprise.

A state is a dictionary of arrays whose first axis is the series, so that series can be taken out, put in and stored. A
surprise is [series, time], at least 0, without unit; no row's surprise depends on a later row.
"""
