import type { LoggedMessage } from '../../../../src/client/contract.ts';
import { stepsOf } from './lines.ts';

/** The way of a message, step by step. */
export function MessagePath({ message }: { readonly message: LoggedMessage }) {
  return (
    <ol class="way" aria-label="The way of the message">
      {stepsOf(message).map(({ text, isBad }) => (
        <li key={text} class={isBad ? 'bad' : ''}>
          {text}
        </li>
      ))}
    </ol>
  );
}
