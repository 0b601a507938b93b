-- $1 kid, $2 public key, $3 sealed private key.
insert into token_keys (kid, public_key, private_key) values ($1, $2, $3)
