-- $1 destinations, $2 their sealed secrets in the same order. Where there is a secret already it stays, and no row comes back.
insert into destination_secrets (destination_id, secret)
select n.destination_id, n.secret
from unnest($1::bigint[], $2::text[]) as n (destination_id, secret)
order by n.destination_id
on conflict (destination_id) where expires_at is null do nothing
returning destination_id
