-- Labels are stored with the job only. Rows that earlier versions have written keep theirs; no row is changed.
CREATE VIEW ingested_rows AS
SELECT
    datasets.name AS dataset,
    stored.content_hash,
    stored.record,
    first.id AS first_job_id,
    last.id AS last_job_id,
    first.metadata AS first_metadata,
    last.metadata AS last_metadata,
    CASE
        WHEN coalesce(first.metadata, stored.metadata, last.metadata) IS NOT NULL
        THEN coalesce(first.metadata, '{}') || coalesce(stored.metadata, '{}') || coalesce(last.metadata, '{}')
    END AS metadata
FROM ingested_data AS stored
JOIN datasets ON datasets.id = stored.dataset_id
LEFT JOIN ingestion_jobs AS first ON first.number = stored.first_job
LEFT JOIN ingestion_jobs AS last ON last.number = stored.last_job;
