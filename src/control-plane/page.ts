import { createHash } from 'node:crypto';
import { canonicalJson } from '../contract/canonical-json.ts';
import type { Caller } from '../rpc/caller.ts';
import { invalidArgument, type RpcError } from '../rpc/error.ts';
import type { Order } from './order-by.ts';
import type { PageStart } from './store/integration-order.ts';
import type { Position } from './store/integrations.ts';

const DEFAULT_PAGE_SIZE = 50;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The largest time a Date holds. */
const MAX_TIME = 8.64e15;

export const pageSizeOf = (pageSize: number): number => pageSize || DEFAULT_PAGE_SIZE;

/** What requests for pages of a list have; everything else in one says which list it is. */
export interface ListRequest {
  readonly $typeName: string;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly orderBy?: string;
}

/** The name of the list that a request is for: the same filter in the same order has the same one, for callers of one scope. */
export function listOf(request: ListRequest, order?: Order, scope?: Caller['scope']): string {
  const asked = canonicalJson({ ...request, pageSize: 0, pageToken: '', orderBy: order, scope });
  return createHash('sha256').update(asked).digest('base64url').slice(0, 12);
}

type Part = string | number;

/** An opaque token: it says where its list goes on, and is of no use for any other one. */
const tokenOf = (list: string, ...parts: readonly Part[]) =>
  Buffer.from(JSON.stringify([list, ...parts])).toString('base64url');

/**
 * What was put into a token of this list, after its name.
 * @throws RpcError INVALID_ARGUMENT when no answer contained this token, or one of another list did
 */
function partsOf(list: string, token: string): unknown[] {
  const [name, ...parts] = parsed(token);
  if (typeof name !== 'string') throw badToken();
  if (name === list) return parts;
  const description = 'is of a list with another filter or order_by: leave it empty for the first page';
  throw invalidArgument([{ field: 'page_token', description, reason: 'PAGE_TOKEN_MISMATCH' }]);
}

function parsed(token: string): unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}

/** A position as a token: it stays right whatever comes or goes around it. */
export const pageToken = (list: string, { time, id }: Position): string => tokenOf(list, time.getTime(), id);

/** @throws RpcError INVALID_ARGUMENT when no answer about this list contained this token */
export function positionOf(list: string, token: string): Position | undefined {
  if (token === '') return undefined;
  const [time, id] = partsOf(list, token);
  return { time: timeIn(time), id: idIn(id) };
}

/** The same for a list of integrations, whose position is one in its order. */
export function listToken(list: string, { key, id, listed }: PageStart): string {
  return tokenOf(list, typeof key === 'string' ? key : key.getTime(), id, listed);
}

/** @throws RpcError INVALID_ARGUMENT when no answer about this list contained this token */
export function listStartOf(list: string, token: string, order: Order): PageStart | undefined {
  if (token === '') return undefined;
  const [key, id, listed] = partsOf(list, token);
  return { key: order.by === 'name' ? textIn(key) : timeIn(key), id: idIn(id), listed: numberIn(listed) };
}

export const generationToken = (list: string, generation: bigint): string =>
  tokenOf(list, Number(generation));

/** @throws RpcError INVALID_ARGUMENT when no answer about this list contained this token */
export function generationOf(list: string, token: string): number | undefined {
  return token === '' ? undefined : numberIn(partsOf(list, token)[0]);
}

/** A place in a list of dead letters. */
export interface DeadLetterPosition {
  readonly partition: number;
  readonly offset: number;
}

/** Where a list of dead letters goes on: before this position. */
export interface DeadLetterPageStart extends DeadLetterPosition {
  /** How many the pages before had. */
  readonly listed: number;
}

export function deadLetterToken(list: string, { partition, offset, listed }: DeadLetterPageStart): string {
  return tokenOf(list, partition, offset, listed);
}

/** @throws RpcError INVALID_ARGUMENT when no answer about this list contained this token */
export function deadLetterPageStartOf(list: string, token: string): DeadLetterPageStart | undefined {
  if (token === '') return undefined;
  const [partition, offset, listed] = partsOf(list, token).map(numberIn);
  if (partition === undefined || offset === undefined || listed === undefined) throw badToken();
  return { partition, offset, listed };
}

/** Where a list of messages goes on in each partition, as a token. */
export const offsetsToken = (list: string, offsets: readonly (readonly [number, number])[]): string =>
  tokenOf(list, ...offsets.flat());

/** @throws RpcError INVALID_ARGUMENT when no answer about this list contained this token */
export function offsetsOf(list: string, token: string): ReadonlyMap<number, number> | undefined {
  if (token === '') return undefined;
  const numbers = partsOf(list, token).map(numberIn);
  if (numbers.length === 0 || numbers.length % 2 === 1) throw badToken();
  return new Map(numbers.flatMap((one, i) => (i % 2 === 0 ? [[one, numbers[i + 1]!]] : [])));
}

function numberIn(part: unknown): number {
  if (Number.isSafeInteger(part) && Number(part) >= 0) return Number(part);
  throw badToken();
}

function timeIn(part: unknown): Date {
  const time = numberIn(part);
  if (time <= MAX_TIME) return new Date(time);
  throw badToken();
}

function textIn(part: unknown): string {
  if (typeof part === 'string' && !part.includes('\0')) return part;
  throw badToken();
}

function idIn(part: unknown): string {
  const id = textIn(part);
  if (UUID.test(id)) return id;
  throw badToken();
}

/** The name that a page of this list ends with, as a token. */
export const nameToken = (list: string, name: string): string => tokenOf(list, name);

/** @throws RpcError INVALID_ARGUMENT when no answer about this list contained this token */
export function nameOf(list: string, token: string): string {
  return token === '' ? '' : textIn(partsOf(list, token)[0]);
}

/** The id that a page of this list ends with, as a token. */
export const idToken = (list: string, id: string): string => tokenOf(list, id);

/** @throws RpcError INVALID_ARGUMENT when no answer about this list contained this token */
export function idOf(list: string, token: string): string | undefined {
  return token === '' ? undefined : idIn(partsOf(list, token)[0]);
}

function badToken(): RpcError {
  const description = 'is not the next_page_token of an answer: leave it empty for the first page';
  return invalidArgument([{ field: 'page_token', description, reason: 'PAGE_TOKEN' }]);
}
