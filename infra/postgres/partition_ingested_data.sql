-- Make ingested_data, empty or filled, a table of eight partitions by content_hash:
--
--     psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -f infra/postgres/partition_ingested_data.sql
--
-- Sluice works without it. Use it for tables whose one B-tree has become larger than memory, and to build indexes and
-- run VACUUM one partition at a time. Nothing else changes: the key (dataset_id, content_hash) contains the partition
-- key, so a row is still unique; hashes are even, so the partitions are too; migrations and queries name
-- ingested_data only.
--
-- COSTS. One transaction: it succeeds or changes nothing. It holds ACCESS EXCLUSIVE on ingested_data throughout, so
-- rows can be neither read nor written. It fails if it does not get the lock within 10 s, and may be run again. Stop
-- the workers before and start them after: otherwise they retry with backoff for SLUICE_OUTAGE_SECONDS, then requeue
-- their jobs. It needs room for a second copy of the table and its index, and as much WAL. A million rows (269 MB with
-- the index) took 6 s on 2 cores, so expect ten minutes or more for a hundred million, and much more once an index
-- does not fit into memory (raise maintenance_work_mem). Run it before the first load if you can: an empty table takes
-- a moment.
--
-- KEPT: columns, checks, indexes and their names, the owner, privileges on the table and on its columns, storage
-- parameters such as the room for updates, and the order of rows, on which undo relies to be fast. NOT KEPT, as Sluice
-- creates none: triggers, policies. The view ingested_rows is made again, with the privileges on it. Any other view on
-- the table, or on that view, makes it fail: drop it before.
--
-- DIFFERENCES AFTERWARDS. Undo walks the table a thousand pages at a time, now of every partition: eight times as many
-- rows per transaction. And COPY passes rows to partitions in batches, so writers no longer take their locks in the
-- order of hashes: two jobs that load the same new rows at the same moment may deadlock. Postgres ends one of the two
-- transactions after a second, and the worker loads that block again.
--
-- OTHER WAYS TO DISTRIBUTE, from their documentation. Neither was tried.
--
-- Citus: SELECT create_distributed_table('ingested_data', 'content_hash'). Unique keys must contain the distribution
-- column; the primary key does. No foreign key leads to or from ingested_data, so the other tables may stay local
-- tables of the coordinator. COPY and savepoints are supported. The upsert reads a temporary table, so it goes through
-- the coordinator, which supports ON CONFLICT; try first whether its RETURNING can be counted in a CTE. SELECT … FOR
-- UPDATE works on one shard only, and ctid means nothing across shards: undo (undo.sql) would have to select rows by
-- hash. Shards receive at most SET LOCAL (citus.propagate_set_commands), not set_config, with which each transaction
-- sets its limits (database.py): set lock_timeout and the like for the role on the Citus workers.
--
-- Aurora PostgreSQL Limitless: a sharded table with the shard key {content_hash}. Unique keys must contain the shard
-- key; the primary key does. COPY, savepoints and INSERT are supported; PARTITION BY and storage parameters of tables
-- are not, so this file does not apply. Migrations create standard tables, to be converted. Try temporary tables,
-- advisory locks and ctid first: Sluice stages duplicates, ends jobs and undoes them with these.

BEGIN;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = 0;
SET LOCAL synchronize_seqscans = off;  -- rows are copied in the order in which they lie
LOCK TABLE ingested_data IN ACCESS EXCLUSIVE MODE;

DO $$
DECLARE
    partitions constant integer := 8;
    plain constant regclass := 'ingested_data';
    rows_view constant regclass := to_regclass('ingested_rows');  -- migration 0015 makes it
    view_query constant text := pg_get_viewdef(rows_view);
    indexes constant text[] := ARRAY(
        SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = plain AND NOT indisprimary
    );
    storage constant text := (
        SELECT coalesce('WITH (' || array_to_string(reloptions, ', ') || ')', '') FROM pg_class WHERE oid = plain
    );
    privileges constant text[] := ARRAY(
        SELECT format('GRANT %s %s ON %I TO %s %s', privilege_type, '(' || quote_ident(column_name) || ')', relname,
                      CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
                      CASE WHEN is_grantable THEN 'WITH GRANT OPTION' END)
        FROM (
            SELECT oid AS relation, NULL AS column_name, relacl AS granted FROM pg_class
            UNION ALL SELECT attrelid, attname, attacl FROM pg_attribute
        ) AS rights
        JOIN pg_class ON pg_class.oid = relation CROSS JOIN LATERAL aclexplode(granted)
        WHERE relation IN (plain, rows_view) AND grantee <> relowner
    );
    statement text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = plain) <> 'r' THEN
        RAISE EXCEPTION 'ingested_data is partitioned already';
    END IF;
    -- The owner must own all that follows, whichever role runs this.
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

    IF rows_view IS NOT NULL THEN
        DROP VIEW ingested_rows;
        EXECUTE 'CREATE VIEW ingested_rows AS ' || view_query;
    END IF;
    FOREACH statement IN ARRAY privileges LOOP
        EXECUTE statement;
    END LOOP;
    DROP TABLE ingested_data_plain;
    -- The names are free now. Building an index on existing rows is faster than growing it with them.
    ALTER TABLE ingested_data ADD PRIMARY KEY (dataset_id, content_hash);
    FOREACH statement IN ARRAY indexes LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
COMMIT;

ANALYZE ingested_data;  -- autovacuum analyzes the partitions, never their parent
