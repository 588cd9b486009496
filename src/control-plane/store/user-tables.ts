/** A step of the schema; see `MIGRATIONS`. It was released: it is never changed. */
export const USER_TABLES = /* sql */ `
  create table users (
    name            text collate "C" primary key,
    display_name    text not null,
    role            smallint not null,
    -- The encoded penstock.v1.Scope; null: all integrations.
    scope           bytea,
    disabled        boolean not null,
    -- The hash of it, with how it was made: $scrypt$ln=15,r=8,p=3$<salt>$<hash>.
    password        text not null,
    create_time     timestamptz not null,
    last_login_time timestamptz
  );

  create table sessions (
    -- SHA-256 of what the browser has.
    hash            bytea primary key,
    name            text not null,
    kind            smallint not null,
    role            smallint not null,
    scope           bytea,
    -- With what it ends.
    user_name       text collate "C" references users on delete cascade,
    token_id        uuid references tokens on delete cascade,
    -- Of a session by the bootstrap token: its hash, under what the browser has as the key.
    bootstrap_proof bytea,
    create_time     timestamptz not null,
    last_used_time  timestamptz not null,
    expire_time     timestamptz not null
  );
  create index sessions_by_user on sessions (user_name);
  create index sessions_by_token on sessions (token_id);
  `;
