-- $1 keys. A file that could not be fetched a day ago is asked for anew: by now every event that has seen it fail is final.
select key, status, error, hash_verdict, content, content is not null as has_content
from event_files
where key = any ($1::text[])
  and not (status = 'failed' and fetched_at < now() - interval '1 day')
