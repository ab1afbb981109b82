-- Hours of the series that have a role: from the raw points where they are still there, else from the rollup.
with

series as (
    select * from {{ ref('stg_series') }}
),

signals as (
    select * from {{ source('lake', 'signals') }}
),

rollup_hours as (
    select * from {{ source('lake', 'signals_hourly') }}
),

from_raw as (
    select
        series.series_id,
        time_bucket(interval '1 hour', signals.captured_at - to_microseconds((series.shift_s * 1e6)::bigint)) as hour_at,
        count(*) as points,
        sum(signals.metric_value) as total,
        max(signals.metric_value) as maximum
    from signals
    inner join series using (series_id)
    where isfinite(signals.metric_value)
    group by series.series_id, hour_at
),

-- an hour of the rollup cannot be cut: only whole hours of a step are moved
from_rollup as (
    select
        series.series_id,
        rollup_hours.hour_at - to_hours((series.shift_s // 3600)::bigint) as hour_at,
        rollup_hours.points,
        rollup_hours.total,
        rollup_hours.maximum
    from rollup_hours
    inner join series using (series_id)
),

raw_starts as (
    select series_id, min(hour_at) as first_hour_at from from_raw group by series_id
),

older_than_raw as (
    select from_rollup.*
    from from_rollup
    left join raw_starts using (series_id)
    where raw_starts.first_hour_at is null or from_rollup.hour_at < raw_starts.first_hour_at
)

select series_id, hour_at, points, total, maximum from from_raw
union all by name
select series_id, hour_at, points, total, maximum from older_than_raw
