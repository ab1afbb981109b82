-- Series that the marts understand: those whose metric has a role in seeds/metric_roles.csv.
with

series as (
    select * from {{ source('lake', 'series') }}
),

roles as (
    select * from {{ ref('metric_roles') }}
),

with_roles as (
    select
        series.series_id,
        series.loader_code,
        series.metric_name,
        roles.role,
        roles.subject_kind,
        coalesce(nullif(series.labels ->> roles.subject_label, ''), roles.default_subject) as subject,
        -- a point stamped at the end of its step speaks about the step before its stamp
        case when roles.stamped_at = 'end' then coalesce(series.step_s, 0) else 0 end as shift_s
    from series
    inner join roles using (metric_name)
)

select * from with_roles
