-- A tenant can be removed, with everything that belongs to it. Its row stays: its name is never given to another.
ALTER TABLE tenants
    ADD COLUMN removing_at timestamptz,  -- since then it is being removed
    ADD COLUMN removed_at timestamptz,   -- nothing of it is left
    ADD CONSTRAINT removal_begins_before_it_ends CHECK (removed_at IS NULL OR removing_at IS NOT NULL),
    ADD CONSTRAINT removal_suspends CHECK (removing_at IS NULL OR suspended_at IS NOT NULL),
    ADD CONSTRAINT default_stays CHECK (id <> 1 OR removing_at IS NULL);
