-- name: select
SELECT own.erasure_salt, erasure.field, erasure.hashes, erasure.sizes, erasure.words_hash, erasure.words
FROM erasures AS erasure JOIN tenant_datasets AS own ON own.id = erasure.dataset_id
WHERE erasure.dataset_id = %(dataset_id)s
