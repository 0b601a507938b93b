delete from triggers where id = $1 returning id
