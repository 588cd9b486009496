import { type LoggedMessage, MessageStage } from '../../../../src/client/contract.ts';

/** So many messages are asked for, at most. */
export const MOST_ASKED = 50;

/** Whether nothing more is to come of what was published: all of it is there, and of these each is settled or given up. */
export function isOver(messages: readonly LoggedMessage[], published: number): boolean {
  const isDone = ({ outcome }: LoggedMessage) =>
    outcome?.stage === MessageStage.SETTLED || outcome?.stage === MessageStage.DEAD_LETTERED;
  return messages.length >= published && messages.every(isDone);
}
