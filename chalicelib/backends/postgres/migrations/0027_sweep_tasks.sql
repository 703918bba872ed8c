ALTER TABLE chores RENAME TO sweep_tasks;
