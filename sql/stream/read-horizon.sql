-- Where the order of changes ends now: all transactions before `horizon` have ended, and their changes can be seen. `oldest` and
-- `oldest_at`: where what is kept begins. $1 a time (null: none): `mark` is where to begin in order to find all of since then.
select
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon,
  o.xact_id::text::bigint as oldest,
  o.at as oldest_at,
  (
    select m.xact_id::text::bigint from stream_marks m where m.at <= $1::timestamptz order by m.xact_id desc limit 1
  ) as mark
from (select xact_id, at from stream_marks order by xact_id limit 1) o
