// What both entries of the client give beside `connect`: every message and enum of the API with its schema, and what makes
// and reads them.
export { create, fromJson, type JsonValue, type MessageInitShape, toJson } from '@bufbuild/protobuf';
export {
  type Duration,
  durationFromMs,
  durationMs,
  type FieldMask,
  type Timestamp,
  timestampDate,
  timestampFromDate,
  timestampMs,
} from '@bufbuild/protobuf/wkt';
export { Code } from '../../gen/google/rpc/code_pb.ts';
export * from '../../gen/penstock/v1/access_pb.ts';
export * from '../../gen/penstock/v1/audit_service_pb.ts';
export * from '../../gen/penstock/v1/auth_service_pb.ts';
export * from '../../gen/penstock/v1/check_pb.ts';
export * from '../../gen/penstock/v1/cluster_service_pb.ts';
export * from '../../gen/penstock/v1/credentials_pb.ts';
export * from '../../gen/penstock/v1/dead_letter_service_pb.ts';
export * from '../../gen/penstock/v1/delivery_pb.ts';
export * from '../../gen/penstock/v1/envelope_pb.ts';
export * from '../../gen/penstock/v1/event_service_pb.ts';
export * from '../../gen/penstock/v1/http_pb.ts';
export * from '../../gen/penstock/v1/integration_pb.ts';
export * from '../../gen/penstock/v1/integration_service_pb.ts';
export * from '../../gen/penstock/v1/kafka_pb.ts';
export * from '../../gen/penstock/v1/message_log_service_pb.ts';
export * from '../../gen/penstock/v1/message_service_pb.ts';
export * from '../../gen/penstock/v1/mqtt_pb.ts';
export * from '../../gen/penstock/v1/payload_pb.ts';
export * from '../../gen/penstock/v1/replay_service_pb.ts';
export * from '../../gen/penstock/v1/revision_service_pb.ts';
export * from '../../gen/penstock/v1/statistics_service_pb.ts';
export * from '../../gen/penstock/v1/system_service_pb.ts';
export * from '../../gen/penstock/v1/template_pb.ts';
export * from '../../gen/penstock/v1/token_service_pb.ts';
export * from '../../gen/penstock/v1/uplink_pb.ts';
export * from '../../gen/penstock/v1/user_service_pb.ts';
export * from '../../gen/penstock/v1/watch_service_pb.ts';
export { PenstockError, type Violation } from './penstock-error.ts';
export type { CallDefaults, Services } from './services.ts';
