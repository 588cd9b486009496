import { Code, type PenstockError } from '../../../src/client/contract.ts';

/** What a person is told of a call that failed. */
export interface Failure {
  /** What happened, and what to do, in a sentence. */
  readonly text: string;
  /** What is wrong with single fields, each as `path: what`. */
  readonly details: readonly string[];
  readonly needsLogin: boolean;
  readonly isMissing: boolean;
}

/** By its name: who only looks at failures does without what makes calls. */
const isPenstockError = (error: unknown): error is PenstockError =>
  error instanceof Error && error.name === 'PenstockError';

export function failureOf(error: unknown): Failure {
  if (!isPenstockError(error)) {
    const text = error instanceof Error ? error.message : String(error);
    return { text, details: [], needsLogin: false, isMissing: false };
  }
  const details = error.violations.map(({ path, description }) =>
    path === '' ? description : `${path}: ${description}`,
  );
  return {
    text: error.message,
    details: details.filter((detail) => !error.message.includes(detail)),
    needsLogin: error.code === Code.UNAUTHENTICATED,
    isMissing: error.code === Code.NOT_FOUND,
  };
}
