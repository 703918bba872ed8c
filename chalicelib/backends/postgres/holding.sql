-- name: wait_for_locks
SELECT set_config('lock_timeout', %s, true)

-- name: end_transactions
SELECT end_transactions_on(%(id)s, %(application)s, %(idle_seconds)s)
