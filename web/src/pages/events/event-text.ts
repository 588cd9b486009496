import type { Event } from '../../../../src/client/contract.ts';
import { actionName, failureName, stateName } from '../../ui/names.ts';

/** What an event says, in a line. */
export function eventText({ event }: Event): {
  readonly what: string;
  readonly text: string;
  readonly isBad: boolean;
} {
  switch (event.case) {
    case 'lifecycle': {
      const { action, success, state, reason } = event.value;
      const text = [stateName(state), reason].filter((part) => part !== '').join(': ');
      return { what: `${success ? '' : 'not '}${actionName(action)}`, text, isBad: !success };
    }
    case 'error': {
      const { failureClass, message, count, topicName, givenUp } = event.value;
      const times = count > 1n ? `${count.toLocaleString('en')} × ` : '';
      const of = topicName === '' ? '' : ` (${topicName})`;
      return {
        what: failureName(failureClass),
        text: `${times}${message}${of}${givenUp ? ' – given up' : ''}`,
        isBad: true,
      };
    }
    case 'statistics': {
      const { received, delivered, deadLettered } = event.value;
      const text = `received ${received}, delivered ${delivered}, dead letters ${deadLettered}`;
      return { what: 'statistics', text, isBad: false };
    }
    default:
      return {
        what: 'unknown',
        text: 'of a newer version: upgrade this control plane to read it',
        isBad: false,
      };
  }
}
