-- Room in each page for newer versions of its rows. A row that a job brings again gets another last_job; where that fits
-- into the page, the index is left alone. Pages that are there already stay as full as they are. The table may have
-- been partitioned: see infra/postgres/partition_ingested_data.sql.
DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN
        SELECT oid FROM pg_class WHERE oid = 'ingested_data'::regclass AND relkind = 'r'
        UNION ALL SELECT relid FROM pg_partition_tree('ingested_data') WHERE isleaf AND level > 0
    LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 70)', part);
    END LOOP;
END
$$;
