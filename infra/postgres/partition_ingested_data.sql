-- Makes ingested_data a table of eight partitions by content_hash, whether it is empty or filled:
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f infra/postgres/partition_ingested_data.sql
--
-- Nothing in Sluice needs it. It is for tables whose one B-tree has become larger than memory, and for indexes and
-- VACUUMs that are to run a part at a time. Everything goes on as before: a row has one place, as its key
-- (dataset_id, content_hash) holds the column that says which; hashes are even, so the parts are; migrations and
-- queries name ingested_data and need not know.
--
-- WHAT IT TAKES. One transaction: all of it happens or nothing does. ACCESS EXCLUSIVE on ingested_data from
-- beginning to end, so nobody reads or writes rows meanwhile; it gives up if it has not got that within 10 s, and may
-- be run again. Stop the workers before and start them after: else they wait and try again for
-- SLUICE_OUTAGE_SECONDS, then pass their jobs on. It needs room for a second copy of the table and its index, and as
-- much WAL. A million rows (269 MB with the index) took 6 s on 2 cores; so expect ten minutes or more for a hundred
-- million, and much more once an index does not fit into memory (raise maintenance_work_mem). Do it before the first
-- load if you can: empty, it takes a moment.
--
-- WHAT IS KEPT: columns, checks, indexes and their names, the owner, privileges on the table, and the order in which
-- rows lie, which undo relies on to be quick; storage parameters, such as the room for updates. What is not, as Sluice
-- makes none: privileges on single columns, triggers, policies. A view on the table makes it fail: drop the view before.
--
-- WHAT IS DIFFERENT AFTERWARDS. Undo walks the table a thousand pages at a time, now of every partition: eight times
-- as many rows a transaction. And COPY hands rows to partitions in batches, so not in the order of hashes in which all
-- who write take their locks: two jobs that load the same new rows at the same moment may now and then deadlock.
-- Postgres ends one of the two transactions after a second, and the worker loads that block again.
--
-- OTHER WAYS TO DISTRIBUTE. Neither was tried: this is from their documentation.
--
-- Citus: SELECT create_distributed_table('ingested_data', 'content_hash'). Unique keys must hold the distribution
-- column; the primary key does. No foreign key leads to or from ingested_data, so the other tables may stay local ones
-- of the coordinator. COPY and savepoints are supported. The upsert reads a temporary table, so it goes by way of
-- the coordinator, which takes ON CONFLICT; that its RETURNING is counted in a CTE is to be tried first. SELECT … FOR
-- UPDATE works on one shard only, and ctid means nothing across shards: undo (undo.sql) would have to take rows by
-- hash. Shards hear at most of SET LOCAL (citus.propagate_set_commands), not of set_config, by which each transaction
-- sets its limits (database.py): set lock_timeout and its kind for the role on the workers.
--
-- Aurora PostgreSQL Limitless: a sharded table with the shard key {content_hash}. Unique keys must hold the shard key;
-- the primary key does. COPY, savepoints and INSERT are supported; PARTITION BY is not, so this file is not for
-- there, nor are storage parameters of tables. Migrations create standard tables, to be converted. Temporary tables,
-- advisory locks and ctid are what to try first: Sluice stages duplicates, ends jobs and undoes them by these.

BEGIN;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = 0;
SET LOCAL synchronize_seqscans = off;  -- rows are copied in the order in which they lie
LOCK TABLE ingested_data IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    partitions constant integer := 8;
    plain constant regclass := 'ingested_data';
    indexes constant text[] := ARRAY(
        SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = plain AND NOT indisprimary
    );
    storage constant text := (
        SELECT coalesce('WITH (' || array_to_string(reloptions, ', ') || ')', '') FROM pg_class WHERE oid = plain
    );
    statement text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = plain) <> 'r' THEN
        RAISE EXCEPTION 'ingested_data is partitioned already';
    END IF;
    -- All that follows is the owner's, whoever runs this.
    EXECUTE format('SET LOCAL ROLE %I', (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = plain));

    ALTER TABLE ingested_data RENAME TO ingested_data_plain;
    CREATE TABLE ingested_data (LIKE ingested_data_plain INCLUDING ALL EXCLUDING INDEXES)
        PARTITION BY HASH (content_hash);
    FOR part IN 0 .. partitions - 1 LOOP
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF ingested_data FOR VALUES WITH (MODULUS %s, REMAINDER %s) %s',
            'ingested_data_' || part, partitions, part, storage
        );
    END LOOP;
    INSERT INTO ingested_data SELECT * FROM ingested_data_plain;

    FOR statement IN
        SELECT format('GRANT %s ON ingested_data TO %s %s', privilege_type,
                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                      CASE WHEN is_grantable THEN 'WITH GRANT OPTION' END)
        FROM pg_class CROSS JOIN LATERAL aclexplode(relacl)
        WHERE oid = plain AND grantee <> relowner
    LOOP
        EXECUTE statement;
    END LOOP;
    DROP TABLE ingested_data_plain;
    -- Now that the names are free. An index on rows that are there is made faster than it grows with them.
    ALTER TABLE ingested_data ADD PRIMARY KEY (dataset_id, content_hash);
    FOREACH statement IN ARRAY indexes LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
COMMIT;

ANALYZE ingested_data;  -- autovacuum looks after the partitions, never after what they make up
