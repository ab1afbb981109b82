-- One service in one ISO week (Monday to Sunday, UTC): ratios of sums, never means of ratios.
with

days as (
    select * from {{ ref('daily_error_rates') }}
),

availability as (
    select * from {{ ref('hourly_availability') }} where subject_kind = 'service'
),

latency as (
    select * from {{ ref('subject_hours') }} where role = 'latency_p99_ms'
),

anomalies as (
    select * from {{ ref('stg_anomalies') }}
),

weekly_errors as (
    select
        service,
        date_trunc('week', day_at)::date as week_at,
        sum(requests) as requests,
        sum(errors) as errors
    from days
    group by service, week_at
),

weekly_uptime as (
    select
        subject as service,
        date_trunc('week', hour_at)::date as week_at,
        sum(numerator) as hours_up,
        sum(denominator) as hours_observed
    from availability
    group by service, week_at
),

weekly_latency as (
    select
        subject as service,
        date_trunc('week', hour_at)::date as week_at,
        sum(total) / sum(points) as latency_p99_ms_mean,
        max(maximum) as latency_p99_ms_max,
        sum(points)::bigint as latency_points
    from latency
    group by service, week_at
),

weekly_anomalies as (
    select
        subject as service,
        date_trunc('week', captured_at)::date as week_at,
        count(*) as anomalies
    from anomalies
    group by service, week_at
),

services as (
    select service, week_at from weekly_errors where requests is not null or errors is not null
    union
    select service, week_at from weekly_uptime
    union
    select service, week_at from weekly_latency
),

summary as (
    select
        services.service,
        services.week_at,
        weekly_errors.requests,
        weekly_errors.errors,
        case when weekly_errors.requests > 0 then 100 * (weekly_errors.errors / weekly_errors.requests) end as error_rate_pct,
        weekly_uptime.hours_up,
        coalesce(weekly_uptime.hours_observed, 0) as hours_observed,
        7 * 24 as hours_in_week,
        100 * (weekly_uptime.hours_up / weekly_uptime.hours_observed) as uptime_pct,
        weekly_latency.latency_p99_ms_mean,
        weekly_latency.latency_p99_ms_max,
        coalesce(weekly_latency.latency_points, 0) as latency_points,
        coalesce(weekly_anomalies.anomalies, 0) as anomalies
    from services
    left join weekly_errors using (service, week_at)
    left join weekly_uptime using (service, week_at)
    left join weekly_latency using (service, week_at)
    left join weekly_anomalies using (service, week_at)
)

select * from summary
order by service, week_at
