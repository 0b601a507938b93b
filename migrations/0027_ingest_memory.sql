-- Up Migration

-- In the backfill Ponder writes thousands of wide rows at once. With the usual 4 MB they are sorted on disk, which takes a tenth of the
-- time that an event takes.
alter function ingest_inserted() set work_mem = '64MB';

-- Down Migration

alter function ingest_inserted() reset work_mem;
