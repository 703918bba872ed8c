-- sluice: no transaction
ALTER TABLE ingestion_jobs VALIDATE CONSTRAINT dataset_of_tenant;

DROP INDEX CONCURRENTLY IF EXISTS ingestion_jobs_of_tenant;

CREATE INDEX CONCURRENTLY ingestion_jobs_of_tenant ON ingestion_jobs (tenant_id, number);

DROP INDEX CONCURRENTLY IF EXISTS ingestion_jobs_of_tenant_by_status;

CREATE INDEX CONCURRENTLY ingestion_jobs_of_tenant_by_status ON ingestion_jobs (tenant_id, status, number);
