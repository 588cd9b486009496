import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type {
  AuditFilter,
  ListAuditRecordsRequest,
  ListAuditRecordsResponseSchema,
} from '../../../gen/penstock/v1/audit_service_pb.ts';
import { listOf, pageSizeOf, pageToken, positionOf } from '../page.ts';
import { type AuditSelection, listAuditRecords } from '../store/audit-records.ts';
import type { RouteDeps } from './deps.ts';

export async function listAuditRecordsRoute(
  { db }: RouteDeps,
  request: ListAuditRecordsRequest,
): Promise<MessageInitShape<typeof ListAuditRecordsResponseSchema>> {
  const list = listOf(request);
  const size = pageSizeOf(request.pageSize);
  const page = { before: positionOf(list, request.pageToken), limit: size + 1 };
  const found = await listAuditRecords(db, selectionOf(request.filter), page);
  const records = found.slice(0, size);
  const last = found.length > size ? records.at(-1) : undefined;
  return {
    records,
    ...(last && { nextPageToken: pageToken(list, { time: timestampDate(last.time!), id: last.id }) }),
  };
}

const selectionOf = (filter: AuditFilter | undefined): AuditSelection => ({
  caller: filter?.caller || undefined,
  method: filter?.method || undefined,
  resource: filter?.resource || undefined,
  start: filter?.startTime && timestampDate(filter.startTime),
  end: filter?.endTime && timestampDate(filter.endTime),
  isRefused: filter?.refused ?? false,
});
