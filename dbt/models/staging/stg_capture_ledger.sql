-- Windows that are due, with the last word on each.
with

ledger as (
    select * from {{ source('lake', 'capture_ledger') }}
),

due as (
    select
        loader_code,
        window_start,
        window_end,
        outcome,
        coalesce(signal_rows, 0) as signal_rows,
        coalesce(quarantined_rows, 0) as quarantined_rows
    from ledger
    where is_expected
)

select * from due
