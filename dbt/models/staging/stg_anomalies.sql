-- Points that a detector called anomalous, with the series they belong to.
with

anomalies as (
    select * from {{ source('lake', 'anomalies') }}
),

series as (
    select * from {{ source('lake', 'series') }}
),

called as (
    select
        anomalies.series_id,
        anomalies.captured_at,
        anomalies.detector,
        anomalies.score,
        series.loader_code,
        series.metric_name,
        coalesce(series.labels ->> 'service', series.labels ->> 'loader', '(all)') as subject
    from anomalies
    inner join series using (series_id)
    where anomalies.is_anomaly
)

select * from called
