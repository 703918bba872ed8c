-- The job whose rejects the file holds, as its client says.
ALTER TABLE ingestion_jobs ADD COLUMN parent_job uuid;
