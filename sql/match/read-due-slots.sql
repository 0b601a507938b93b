-- $1 chain, $2 the clock, $3 a trigger that is behind (null: those that go with the chain), $4 how many at least, if there are as many.
-- The states that were to be woken before the clock's time, the earliest first.
select s.trigger_id, s.generation, s.position, s.scope, s.state, s.wake_at
from trigger_state s
where s.chain_id = $1 and s.wake_at < $2::timestamptz
  and case
    when $3::text is null then not exists (
      select from trigger_progress p where p.trigger_id = s.trigger_id and p.block_number is not null
    )
    else s.trigger_id = $3
  end
order by s.wake_at
fetch first ($4::bigint) rows with ties
