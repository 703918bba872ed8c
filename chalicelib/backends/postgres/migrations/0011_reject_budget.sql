-- A job may have a budget for rejects, and be undone when it fails.
ALTER TABLE ingestion_jobs
    ADD COLUMN max_rejects bigint CHECK (max_rejects >= 0),                -- records, or a share; NULL: no budget
    ADD COLUMN max_rejects_is_share boolean NOT NULL DEFAULT false,        -- in millionths of the records read
    ADD COLUMN on_failure text NOT NULL DEFAULT 'keep' CHECK (on_failure IN ('keep', 'undo')),
    -- it FAILED, and its rows were removed; while it is UNDOING: they are being removed, and it is FAILED then
    ADD COLUMN rolls_back boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT share_is_at_most_all CHECK (NOT max_rejects_is_share OR max_rejects <= 1000000),
    ADD CONSTRAINT rollback_has_reason CHECK
        (NOT rolls_back OR status IN ('UNDOING', 'FAILED') AND error_code IS NOT NULL AND undone_rows IS NOT NULL);
