import { invalidArgument, type RpcError } from '../rpc/error.ts';
import type { PageStart } from './store/integration-pages.ts';
import type { Position } from './store/integrations.ts';

const DEFAULT_PAGE_SIZE = 50;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The largest time a Date holds. */
const MAX_TIME = 8.64e15;

export const pageSizeOf = (pageSize: number): number => pageSize || DEFAULT_PAGE_SIZE;

/** A position as an opaque token: it stays right whatever comes or goes around it. */
export const pageToken = (position: Position): string => tokenOf(textOf(position));

const textOf = ({ time, id }: Position) => `${time.getTime()} ${id}`;
const tokenOf = (text: string) => Buffer.from(text).toString('base64url');

/** @throws RpcError INVALID_ARGUMENT when no answer contained this token */
export function positionOf(token: string): Position | undefined {
  if (token === '') return undefined;
  const [time = '', id = ''] = Buffer.from(token, 'base64url').toString().split(' ');
  if (/^\d+$/.test(time) && Number(time) <= MAX_TIME && UUID.test(id))
    return { time: new Date(Number(time)), id };
  throw badToken();
}

export const listToken = (start: PageStart): string => tokenOf(`${textOf(start)} ${start.listed}`);

/** @throws RpcError INVALID_ARGUMENT when no answer contained this token */
export function listStartOf(token: string): PageStart | undefined {
  const position = positionOf(token);
  if (!position) return undefined;
  const [, , listed = '0'] = Buffer.from(token, 'base64url').toString().split(' ');
  if (!/^\d{1,15}$/.test(listed)) throw badToken();
  return { ...position, listed: Number(listed) };
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

export function deadLetterToken({ partition, offset, listed }: DeadLetterPageStart): string {
  return tokenOf(`${partition}-${offset}-${listed}`);
}

/** @throws RpcError INVALID_ARGUMENT when no answer contained this token */
export function deadLetterPageStartOf(token: string): DeadLetterPageStart | undefined {
  if (token === '') return undefined;
  const [, partition, offset, listed = '0'] =
    /^(\d{1,9})-(\d{1,15})(?:-(\d{1,15}))?$/.exec(Buffer.from(token, 'base64url').toString()) ?? [];
  if (offset === undefined) throw badToken();
  return { partition: Number(partition), offset: Number(offset), listed: Number(listed) };
}

function badToken(): RpcError {
  const description = 'is not the next_page_token of an answer: leave it empty for the first page';
  return invalidArgument([{ field: 'page_token', description, reason: 'PAGE_TOKEN' }]);
}
