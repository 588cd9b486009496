import { create } from '@bufbuild/protobuf';
import { type Integration, IntegrationSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import {
  IntegrationView,
  type WatchIntegrationsResponse,
  WatchIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { sharedAnswer } from '../../rpc/shared-answer.ts';

/** What of an integration a view has. */
export function inView(integration: Integration, view: IntegrationView): Integration {
  if (view !== IntegrationView.BASIC) return integration;
  const { id, name, description, type, topicFilters, enabled, labels, generation, etag } = integration;
  const { createTime, updateTime, status } = integration;
  return create(IntegrationSchema, {
    ...{ id, name, description, type, topicFilters, enabled, labels, generation, etag },
    ...(createTime && { createTime }),
    ...(updateTime && { updateTime }),
    ...(status && { status }),
  });
}

/** Of answers that many watchers get, the basic ones once one of them got it. */
const basic = new WeakMap<WatchIntegrationsResponse, WatchIntegrationsResponse>();

/** The same for what watchers are told, which is made once for all of them. */
export function answerInView(
  answer: WatchIntegrationsResponse,
  view: IntegrationView,
): WatchIntegrationsResponse {
  if (view !== IntegrationView.BASIC) return answer;
  const made = basic.get(answer) ?? basicOf(answer);
  basic.set(answer, made);
  return made;
}

function basicOf({ integration, deleted, time }: WatchIntegrationsResponse): WatchIntegrationsResponse {
  return sharedAnswer(WatchIntegrationsResponseSchema, {
    integration: inView(integration!, IntegrationView.BASIC),
    deleted,
    time: time!,
  });
}
