/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const SEALED_COLUMNS = /* sql */ `
  -- The encoded penstock.v1.SealedSecrets: the secrets that are not in config any more.
  alter table integrations add column sealed bytea;
  -- The ids of the keys that they are sealed with. Null: not known, for config is from before, and may have secrets in clear text.
  alter table integrations add column secret_keys text[];
  create index integrations_by_secret_keys on integrations (secret_keys);
`;
