-- Uptime per service and success per loader, hour by hour.
with

hours as (
    select * from {{ ref('subject_hours') }}
),

maintenance as (
    select * from {{ source('lake', 'incident_periods') }} where source = 'maintenance'
),

services as (
    select
        'service' as subject_kind,
        subject,
        hour_at,
        least(mean, 100) / 100 as numerator,
        1.0 as denominator,
        least(mean, 100) as availability_pct
    from hours
    where role = 'uptime_pct'
),

loader_measures as (
    select
        subject,
        hour_at,
        max(total) filter (role = 'loader_runs') as runs,
        max(total) filter (role = 'loader_runs_succeeded') as succeeded,
        max(mean) filter (role = 'loader_success_rate_pct') as success_rate_pct
    from hours
    where role in ('loader_runs', 'loader_runs_succeeded', 'loader_success_rate_pct')
    group by subject, hour_at
),

-- without the counts the rate stands alone: its denominator is not known
loaders as (
    select
        'loader' as subject_kind,
        subject,
        hour_at,
        case when runs is not null then least(coalesce(succeeded, runs * success_rate_pct / 100), runs) end as numerator,
        runs as denominator,
        case
            when runs > 0 then 100 * (least(coalesce(succeeded, runs * success_rate_pct / 100), runs) / runs)
            when runs is null then least(success_rate_pct, 100)
        end as availability_pct
    from loader_measures
),

both_kinds as (
    select * from services
    union all by name
    select * from loaders
),

with_maintenance as (
    select
        both_kinds.*,
        subject_kind = 'service' and exists (
            select 1 from maintenance
            where (maintenance.service is null or maintenance.service = both_kinds.subject)
                and maintenance.started_at < both_kinds.hour_at + interval '1 hour'
                and coalesce(maintenance.ended_at, 'infinity'::timestamptz) > both_kinds.hour_at
        ) as is_maintenance
    from both_kinds
)

select * from with_maintenance
order by subject_kind, subject, hour_at
