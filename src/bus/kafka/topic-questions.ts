import type { TopicMetadata } from '../../kafkajs/metadata.ts';

/** Topics asked for at a time. */
const TOPICS = 200;

type Metadata = (topics: readonly string[]) => Promise<readonly TopicMetadata[]>;

/**
 * Asks for topics together: thousands of integrations that start ask for one each. One request is on its way at a time, and
 * what is asked meanwhile goes with the next.
 */
export class TopicQuestions {
  readonly #metadata: Metadata;
  readonly #waiting = new Map<string, PromiseWithResolvers<TopicMetadata | undefined>>();
  #isAsking = false;

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
  }

  /** What Kafka tells of the topic. Rejects when it does not answer. */
  of(topic: string): Promise<TopicMetadata | undefined> {
    const question = this.#waiting.get(topic) ?? Promise.withResolvers<TopicMetadata | undefined>();
    this.#waiting.set(topic, question);
    if (!this.#isAsking) void this.#ask();
    return question.promise;
  }

  async #ask(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.size > 0) {
      const questions = [...this.#waiting].slice(0, TOPICS);
      for (const [topic] of questions) this.#waiting.delete(topic);
      try {
        const answer = await this.#metadata(questions.map(([topic]) => topic));
        const found = new Map(answer.map((one) => [one.topic, one]));
        for (const [topic, { resolve }] of questions) resolve(found.get(topic));
      } catch (error) {
        for (const [, { reject }] of questions) reject(error);
      }
    }
    this.#isAsking = false;
  }
}
