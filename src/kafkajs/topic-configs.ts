import { int32, text } from './bytes.ts';
import { ask, type Broker, connectionTo, type Exchange } from './cluster.ts';

/** Kafka's numbers: a topic as what is configured, its own configuration as where a value is from, to set a value. */
const TOPIC = 2;
const OF_THE_TOPIC = 1;
const SET = 0;
/** IncrementalAlterConfigs, version 0: it leaves everything else as it is, unlike the one that kafkajs knows. */
const INCREMENTAL_ALTER_CONFIGS = 44;
const VERSION = 0;

export interface TopicConfig {
  readonly topic: string;
  /** Kafka's number of an error; 0: none. */
  readonly errorCode: number;
  readonly value: string | undefined;
  /** Whether it was set for this topic. */
  readonly isOwn: boolean;
}

/** What topics are set to under this name. */
export async function topicConfigs(
  broker: Broker,
  topics: readonly string[],
  name: string,
): Promise<readonly TopicConfig[]> {
  const resources = topics.map((topic) => ({ type: TOPIC, name: topic, configNames: [name] }));
  const answer = await ask<{
    readonly resources: readonly {
      readonly errorCode: number;
      readonly resourceName: string;
      readonly configEntries: readonly { readonly configValue: string; readonly configSource: number }[];
    }[];
  }>(broker, 'DescribeConfigs', { resources });
  return answer.resources.map(({ errorCode, resourceName, configEntries: [entry] }) => ({
    topic: resourceName,
    errorCode,
    value: entry?.configValue,
    isOwn: entry?.configSource === OF_THE_TOPIC,
  }));
}

/** Sets one value of topics. Answers Kafka's number of an error for those that it was not set for. */
export async function setTopicConfig(
  broker: Broker,
  topics: readonly string[],
  name: string,
  value: string,
): Promise<ReadonlyMap<string, number>> {
  const connection = await connectionTo(broker, 0);
  return connection.send(alterExchange(topics, name, value));
}

function alterExchange(
  topics: readonly string[],
  name: string,
  value: string,
): Exchange<ReadonlyMap<string, number>> {
  return {
    request: {
      apiKey: INCREMENTAL_ALTER_CONFIGS,
      apiVersion: VERSION,
      apiName: 'IncrementalAlterConfigs',
      encode: async () => {
        const one = Buffer.concat([int32(1), text(name), Buffer.of(SET), text(value)]);
        const parts = topics.flatMap((topic) => [Buffer.of(TOPIC), text(topic), one]);
        const buffer = Buffer.concat([int32(topics.length), ...parts, Buffer.of(0)]); // not only to try it
        return { buf: buffer, buffer };
      },
    },
    response: { decode: async (raw) => decodeErrors(raw), parse: async (data) => data },
  };
}

function decodeErrors(raw: Buffer): ReadonlyMap<string, number> {
  const errors = new Map<string, number>();
  let at = 8;
  for (let left = raw.readInt32BE(4); left > 0; left--) {
    const code = raw.readInt16BE(at);
    at += 4 + Math.max(0, raw.readInt16BE(at + 2)) + 1; // the message, and what it is about
    const length = raw.readInt16BE(at);
    const topic = raw.toString('utf8', at + 2, at + 2 + length);
    at += 2 + length;
    if (code !== 0) errors.set(topic, code);
  }
  return errors;
}
