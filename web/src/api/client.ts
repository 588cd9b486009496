import type { Services } from '../../../src/client/services.ts';
import { ANOTHER_VERSION } from './another-version.ts';

const load = () =>
  import('./services.ts').catch((cause: unknown) => {
    const { title, text } = ANOTHER_VERSION;
    throw new Error(`${title}: reload it. ${text}`, { cause });
  });

/** Loads what makes calls, before the first one is made. */
export const prepareCalls = (): void => void load().catch(() => {}); // whoever calls is told

type Method = (request: unknown, options?: unknown) => unknown;

/**
 * The services, as the person who is logged in: the browser sends the cookie of its session. What makes the calls is loaded apart,
 * since the list comes by the worker and is shown without.
 */
export const api = new Proxy({} as Services, {
  get: (_, service: keyof Services) =>
    new Proxy({}, { get: (__, method: string) => calling(service, method) }) as Services[typeof service],
});

/** A method that is called once it is loaded: what it answers is waited for, or followed, as that of the method itself. */
function calling(service: keyof Services, method: string): Method {
  return (request, options) => {
    const answer = load().then(({ services }) =>
      (services[service] as unknown as Record<string, Method>)[method]!(request, options),
    );
    async function* followed() {
      yield* (await answer) as AsyncIterable<unknown>;
    }
    return Object.assign(answer, { [Symbol.asyncIterator]: followed });
  };
}
