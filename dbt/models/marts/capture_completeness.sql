-- How many windows of one loader were due on one day, and what became of them.
with

windows as (
    select * from {{ ref('stg_capture_ledger') }}
),

days as (
    select
        loader_code,
        window_start::date as day_at,
        count(*) as windows_expected,
        count(*) filter (outcome <> 'missing') as windows_captured,
        count(*) filter (outcome = 'late') as windows_late,
        count(*) filter (outcome = 'empty') as windows_empty,
        count(*) filter (outcome = 'missing') as windows_missing,
        sum(signal_rows)::bigint as signal_rows,
        sum(quarantined_rows)::bigint as quarantined_rows
    from windows
    group by loader_code, day_at
)

select * from days
order by loader_code, day_at
