-- sluice: no transaction
-- For the jobs that have read versions of one key, which an erasure looks for once for each object. A hash takes half the
-- space of the keys, which may be long.
DROP INDEX CONCURRENTLY IF EXISTS ingestion_jobs_by_key;

CREATE INDEX CONCURRENTLY ingestion_jobs_by_key ON ingestion_jobs USING hash (key);
