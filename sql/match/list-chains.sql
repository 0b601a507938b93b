-- The chains that have been indexed at all.
select chain_id from checkpoints order by chain_id
