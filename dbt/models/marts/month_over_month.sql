-- One metric of one service in one month beside the month before. Counts are compared per observed day, because months
-- differ in length and the present one is not over.
with

days as (
    select * from {{ ref('daily_error_rates') }}
),

availability as (
    select * from {{ ref('hourly_availability') }}
),

latency as (
    select * from {{ ref('subject_hours') }} where role = 'latency_p99_ms'
),

request_months as (
    select
        service,
        date_trunc('month', day_at)::date as month_at,
        sum(requests) as requests,
        sum(errors) as errors,
        count(requests) as days_observed
    from days
    group by service, month_at
    having count(requests) > 0
),

availability_months as (
    select
        subject_kind,
        subject as service,
        date_trunc('month', hour_at)::date as month_at,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        count(distinct hour_at::date) as days_observed
    from availability
    where denominator is not null
    group by subject_kind, service, month_at
),

latency_months as (
    select
        subject as service,
        date_trunc('month', hour_at)::date as month_at,
        sum(total) as numerator,
        sum(points)::double as denominator,
        count(distinct hour_at::date) as days_observed
    from latency
    group by service, month_at
),

metrics as (
    select 'requests_per_day' as metric, service, month_at, requests as numerator, days_observed as denominator,
        1 as scale, days_observed
    from request_months
    union all by name
    select 'error_rate_pct' as metric, service, month_at, errors as numerator, requests as denominator, 100 as scale, days_observed
    from request_months
    union all by name
    select case subject_kind when 'service' then 'uptime_pct' else 'loader_success_pct' end as metric, service, month_at,
        numerator, denominator, 100 as scale, days_observed
    from availability_months
    union all by name
    select 'latency_p99_ms_mean' as metric, service, month_at, numerator, denominator, 1 as scale, days_observed
    from latency_months
),

valued as (
    select *, case when denominator > 0 then scale * (numerator / denominator) end as value
    from metrics
),

compared as (
    select
        now_month.metric,
        now_month.service,
        now_month.month_at,
        now_month.value,
        now_month.numerator,
        now_month.denominator,
        now_month.days_observed,
        before.value as previous_value,
        before.days_observed as previous_days_observed,
        now_month.value - before.value as change
    from valued as now_month
    left join valued as before
        on now_month.metric = before.metric
        and now_month.service = before.service
        and before.month_at = (now_month.month_at - interval '1 month')::date
)

select * from compared
order by metric, service, month_at
