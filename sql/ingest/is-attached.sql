-- $1 Ponder schema. Whether our triggers hang on its tables.
select ingest_attached($1) as attached
