-- What one service or loader did in one hour, one row per role. Where several loaders capture the same metric of the
-- same subject, one of them speaks for the hour: the one with most points, the first by name among equals.
with

hours as (
    select * from {{ ref('stg_signals_hourly') }}
),

series as (
    select * from {{ ref('stg_series') }}
),

per_source as (
    select
        series.role,
        series.subject_kind,
        series.subject,
        hours.hour_at,
        series.loader_code,
        series.metric_name,
        sum(hours.points)::bigint as points,
        sum(hours.total) as total,
        sum(hours.total) / sum(hours.points) as mean,
        max(hours.maximum) as maximum
    from hours
    inner join series using (series_id)
    group by all
),

one_source as (
    select *
    from per_source
    qualify row_number() over (
        partition by role, subject, hour_at order by points desc, loader_code, metric_name
    ) = 1
)

select * from one_source
order by role, subject, hour_at
