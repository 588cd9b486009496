import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Shown } from './violations.ts';

/** What every control of a form knows. */
export interface FormState {
  readonly shown: Shown;
  /** The secrets that the server has, by their paths. */
  readonly storedSecrets: readonly string[];
  /** What stands in a control and cannot be read; undefined: it can. */
  readonly setProblem: (path: string, problem: string | undefined) => void;
}

export const FormContext = createContext<FormState>({
  shown: new Map(),
  storedSecrets: [],
  setProblem: () => {},
});

export const useForm = (): FormState => useContext(FormContext);
