-- Requests, errors and failure events of one service (or loader) on one day, UTC.
with

hours as (
    select * from {{ ref('subject_hours') }}
),

counted as (
    select
        subject as service,
        hour_at::date as day_at,
        sum(total) filter (role = 'requests') as requests,
        sum(total) filter (role = 'errors') as errors_counted,
        sum(total) filter (role = 'auth_failures') as auth_failures,
        sum(total) filter (role = 'db_timeouts') as db_timeouts,
        sum(total) filter (role = 'breaker_trips') as breaker_trips,
        sum(total) filter (role = 'logged_errors') as logged_errors,
        count(*) filter (role = 'requests') as hours_observed
    from hours
    where role in ('requests', 'errors', 'auth_failures', 'db_timeouts', 'breaker_trips', 'logged_errors')
    group by subject, day_at
),

-- a service with requests and no error series had no errors; increase() extrapolates, so errors are held below requests
rated as (
    select
        service,
        day_at,
        requests,
        case when requests is not null then least(coalesce(errors_counted, 0), requests) else errors_counted end as errors,
        case when requests > 0 then 100 * (least(coalesce(errors_counted, 0), requests) / requests) end as error_rate_pct,
        auth_failures,
        db_timeouts,
        breaker_trips,
        logged_errors,
        hours_observed
    from counted
)

select * from rated
order by service, day_at
