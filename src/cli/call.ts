import type { Writable } from 'node:stream';
import { type DescMessage, type Message, toJson } from '@bufbuild/protobuf';
import { type Penstock, PenstockError } from '../client/node.ts';
import { readCallSettings } from '../runtime/settings.ts';
import { UserError } from '../runtime/user-error.ts';
import { CALL_USAGE, type CallOptions, parseCallOptions } from './call-options.ts';
import { connectionOf, isOverTls } from './connection.ts';
import { failureText } from './failure.ts';
import { type Method, methodList, methodNamed } from './methods.ts';
import { type Print, printing } from './printer.ts';
import { requestOf, textOn } from './request.ts';

interface Deps {
  readonly out: Writable;
  readonly input: AsyncIterable<Uint8Array>;
}

/**
 * `penstock call`: calls a method, and prints what it answers. A reader that goes away, as `head` does, ends it.
 * @throws UserError when the call failed, or could not be made
 */
export async function runCall(args: readonly string[], { out, input }: Deps): Promise<void> {
  await printing(out, async (print) => {
    const options = parseCallOptions(args);
    if (options.help || (options.method === undefined && !options.list)) await print(CALL_USAGE);
    else if (options.list) await print(methodList());
    else await callMethod(options.method!, options, { input, print });
  });
}

async function callMethod(
  name: string,
  { data = '{}', given }: CallOptions,
  { input, print }: Pick<Deps, 'input'> & { readonly print: Print },
): Promise<void> {
  const method = methodNamed(name);
  const settings = readCallSettings(given);
  const request = requestOf(method.desc.input, data === '-' ? await textOn(input) : data);
  const seconds = settings.PENSTOCK_CALL_TIMEOUT_SEC;
  using penstock = connectionOf(settings);
  try {
    await printAnswer(penstock, method, request, seconds === 0 ? undefined : seconds * 1000, print);
  } catch (error) {
    if (!(error instanceof PenstockError)) throw error;
    const called = { address: settings.PENSTOCK_ADDRESS, isTls: isOverTls(settings) };
    throw new UserError(failureText(error, { ...called, request: method.desc.input.name }), { cause: error });
  }
}

type Call<A> = (request: Message, options: { readonly timeoutMs: number | undefined }) => A;

/** @throws PenstockError */
async function printAnswer(
  penstock: Penstock,
  { desc, client }: Method,
  request: Message,
  timeoutMs: number | undefined,
  print: Print,
): Promise<void> {
  // Which method it is, only the words of the command say.
  const methods = penstock[client] as unknown as Readonly<Record<string, Call<unknown>>>;
  const answer = methods[desc.localName]!(request, { timeoutMs });
  if (desc.methodKind === 'unary') {
    return print(jsonOf(desc.output, await (answer as Promise<Message>), 2));
  }
  for await (const message of answer as AsyncIterable<Message>) await print(jsonOf(desc.output, message));
}

const jsonOf = (schema: DescMessage, message: Message, indent?: number): string =>
  JSON.stringify(toJson(schema, message), undefined, indent);
