-- Did one service keep its target in one month? Hours that touch planned maintenance are left out and counted; hours
-- that nobody observed are counted too, and a second verdict takes them all as down.
with

availability as (
    select * from {{ ref('hourly_availability') }} where subject_kind = 'service'
),

targets as (
    select * from {{ ref('sla_targets') }}
),

reach as (
    select max(hour_at) + interval '1 hour' as until_at from {{ ref('hourly_availability') }}
),

months as (
    select
        subject as service,
        date_trunc('month', hour_at)::date as month_at,
        count(*) filter (not is_maintenance) as hours_observed,
        count(*) filter (is_maintenance) as hours_excluded,
        coalesce(sum(numerator) filter (not is_maintenance), 0) as hours_up
    from availability
    group by service, month_at
),

with_expected as (
    select
        months.*,
        date_diff(
            'hour', months.month_at::timestamptz,
            least((months.month_at + interval '1 month')::timestamptz, reach.until_at)
        ) as hours_expected,
        coalesce(own.target_pct, everybody.target_pct, 99.5) as target_pct
    from months
    cross join reach
    left join targets as own on own.service = months.service
    left join targets as everybody on everybody.service = '*'
),

judged as (
    select
        service,
        month_at,
        target_pct,
        hours_expected,
        hours_observed,
        hours_excluded,
        hours_expected - hours_observed - hours_excluded as hours_not_observed,
        case when hours_observed > 0 then 100 * (hours_up / hours_observed) end as uptime_pct,
        60 * (hours_observed - hours_up) as minutes_down,
        60 * hours_observed * (100 - target_pct) / 100 as minutes_allowed,
        case when hours_observed > 0 then 100 * (hours_up / hours_observed) >= target_pct end as is_met,
        case
            when hours_expected > hours_excluded
                then 100 * (hours_up / (hours_expected - hours_excluded)) >= target_pct
        end as is_met_if_not_observed_was_down
    from with_expected
)

select * from judged
order by service, month_at
