/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const ACCESS_TABLES = /* sql */ `
  create table tokens (
    id             uuid primary key,
    name           text not null,
    note           text not null,
    role           smallint not null,
    -- The encoded penstock.v1.Scope; null: all integrations.
    scope          bytea,
    -- SHA-256 of the token.
    hash           bytea not null unique,
    expire_time    timestamptz,
    create_time    timestamptz not null,
    created_by     text not null,
    last_used_time timestamptz
  );
  create index tokens_by_time on tokens (create_time, id);

  -- Grows with each change of the tokens, by whoever locks it for that.
  create table access_version (version bigint not null);
  insert into access_version values (0);
  `;
