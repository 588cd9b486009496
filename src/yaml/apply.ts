import type { Integration } from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationView } from '../../gen/penstock/v1/integration_service_pb.ts';
import { type Known, type Match, matched, type Step, stepOf } from './plan.ts';
import type { IntegrationText } from './read-integrations.ts';

/** So many calls are under way at a time. */
const AT_A_TIME = 4;
/** Integrations in a page. Whole ones may have half a mebibyte each, and an answer may not be of any size. */
const PAGE = { basic: 1000, whole: 100 };

interface Answered {
  readonly integration?: Integration | undefined;
}
interface Options {
  readonly signal?: AbortSignal;
}

/** What is called of the API: `integrations` of a client. */
export interface IntegrationCalls {
  listIntegrations(
    request: { readonly pageSize: number; readonly pageToken: string; readonly view: IntegrationView },
    options?: Options,
  ): Promise<{ readonly integrations: readonly Integration[]; readonly nextPageToken: string }>;
  getIntegration(request: { readonly id: string }, options?: Options): Promise<Answered>;
  createIntegration(
    request: {
      readonly integration: Integration;
      readonly requestId: string;
      readonly validateOnly: boolean;
    },
    options?: Options,
  ): Promise<Answered>;
  updateIntegration(
    request: {
      readonly integration: Integration;
      readonly updateMask: { readonly paths: string[] };
      readonly validateOnly: boolean;
    },
    options?: Options,
  ): Promise<Answered>;
}

/** What each document comes to, with what is stored now. */
export async function planned(
  texts: readonly IntegrationText[],
  calls: IntegrationCalls,
  options: Options = {},
): Promise<readonly Step[]> {
  const matches = matched(texts, await allKnown(calls, options));
  return await inTurn(matches, async (match) => stepOf(match, await storedOf(match, calls, options)));
}

async function storedOf({ id }: Match, calls: IntegrationCalls, options: Options) {
  return id === undefined ? undefined : (await calls.getIntegration({ id }, options)).integration;
}

async function allKnown(calls: IntegrationCalls, options: Options): Promise<readonly Known[]> {
  const known: Known[] = [];
  for await (const { id, name } of everyIntegration(calls, IntegrationView.BASIC, options))
    known.push({ id, name });
  return known;
}

/** All integrations, the oldest first. */
export async function* everyIntegration(
  calls: IntegrationCalls,
  view: IntegrationView,
  options: Options = {},
): AsyncIterable<Integration> {
  const pageSize = view === IntegrationView.BASIC ? PAGE.basic : PAGE.whole;
  let pageToken = '';
  do {
    const answer = await calls.listIntegrations({ pageSize, pageToken, view }, options);
    yield* answer.integrations;
    pageToken = answer.nextPageToken;
  } while (pageToken !== '');
}

/** What became of a step. */
export interface Outcome {
  readonly id: string;
  readonly done: 'created' | 'changed' | 'same';
}

/**
 * Does what a step says, and only that: what somebody else changed since it was planned is refused (ABORTED). A change of secrets
 * to what they were is `same`.
 * @param requestId the same for every try, so that a second one makes no second integration
 * @param validateOnly nothing is saved
 */
export async function apply(
  step: Exclude<Step, { kind: 'wrong' }>,
  calls: IntegrationCalls,
  { requestId, validateOnly }: { readonly requestId: string; readonly validateOnly: boolean },
): Promise<Outcome> {
  if (step.kind === 'same') return { id: step.stored.id, done: 'same' };
  if (step.kind === 'create') {
    const integration = { ...step.integration, id: '', setSecrets: [] };
    const answer = await calls.createIntegration({ integration, requestId, validateOnly });
    return { id: answer.integration?.id ?? '', done: 'created' };
  }
  const { id, etag } = step.stored;
  const integration = { ...step.integration, id, etag, setSecrets: [] };
  const updateMask = { paths: [...step.paths] };
  const answer = await calls.updateIntegration({ integration, updateMask, validateOnly });
  return { id, done: answer.integration?.etag === etag && !validateOnly ? 'same' : 'changed' };
}

/** Works on all, a few at a time; the answers are in the order of the items. */
export async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  const left = items.entries();
  const worker = async () => {
    for (const [i, item] of left) answers[i] = await work(item);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return answers;
}
