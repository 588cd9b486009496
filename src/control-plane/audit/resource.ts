import type { DescMethod, Message } from '@bufbuild/protobuf';
import { loginNameOf } from '../access/log-in.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What a request is about: `integrations/<id>`, `users/<name>`; empty where it says nothing, such as of something new. */
export function resourceOf({ parent }: DescMethod, request: Message): string {
  const fields = request as unknown as Fields;
  const kind = /(\w+)Service$/.exec(parent.typeName)?.[1]?.toLowerCase() ?? '';
  switch (kind) {
    case 'user':
      return named('users', fields.name ?? inside(fields.user, 'name'));
    case 'token':
      return named('tokens', fields.id);
    case 'auth':
      return named('users', loginName(fields));
    case 'replay':
      return named('integrations', fields.integrationId) || named('replays', fields.id);
    case 'deadletter':
      return named('integrations', fields.integrationId) || named('redrives', fields.id);
    default:
      return named('integrations', fields.integrationId ?? idIn(fields) ?? inside(fields.integration, 'id'));
  }
}

const named = (kind: string, name: unknown) =>
  typeof name === 'string' && name !== '' ? `${kind}/${name.slice(0, 200)}` : '';

const inside = (message: unknown, field: string): unknown =>
  typeof message === 'object' && message !== null ? (message as Fields)[field] : undefined;

/** Of a connection check, too, which has it in a oneof. */
function idIn({ id, target }: Fields): unknown {
  if (id !== undefined) return id;
  const value = inside(target, 'value');
  return typeof value === 'string' ? value : inside(value, 'id');
}

/** Who is to be logged in; of a token it is not known before. */
function loginName({ credentials }: Fields): unknown {
  const typed = inside(inside(credentials, 'value'), 'name');
  // People type passwords where names belong.
  const name = typeof typed === 'string' ? loginNameOf(typed) : '';
  return /^[a-z0-9._@-]{1,100}$/.test(name) ? name : undefined;
}
