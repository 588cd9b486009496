import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Shown } from './violations.ts';

/** What every control of a form knows. */
export interface FormState {
  readonly shown: Shown;
  /** The secrets that the server has, by their paths. */
  readonly storedSecrets: readonly string[];
  /** Secrets that were typed and lost by a reload: what is stored, if anything, is not what was meant. */
  readonly lostSecrets: readonly string[];
  /** What stands in a control and cannot be read; undefined: it can. */
  readonly setProblem: (path: string, problem: string | undefined) => void;
}

export const FormContext = createContext<FormState>({
  shown: new Map(),
  storedSecrets: [],
  lostSecrets: [],
  setProblem: () => {},
});

export const useForm = (): FormState => useContext(FormContext);
