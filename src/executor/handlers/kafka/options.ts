/** What the client is to do. Times in milliseconds. */
export interface KafkaOptions {
  readonly acks: -1 | 0 | 1;
  readonly compression: Compression;
  /** Tries of a batch after the first one, within one attempt. */
  readonly retries: number;
  /** The largest batch of one partition. */
  readonly batchBytes: number;
  readonly linger: number;
  /** The most bytes waiting to be sent. */
  readonly bufferBytes: number;
  /** Undefined: with acks=all, where the cluster allows it. */
  readonly idempotence: boolean | undefined;
  /** The largest request, and so the largest record. */
  readonly maxRequestBytes: number;
  readonly requestTimeout: number;
  /** From the handing over of a record to its end. */
  readonly deliveryTimeout: number;
  readonly connectTimeout: number;
  readonly metadataMaxAge: number;
  /** A connection that carries nothing for so long is closed. */
  readonly maxIdle: number;
  readonly reconnectPause: number;
  readonly maxReconnectPause: number;
  readonly retryPause: number;
  readonly maxRetryPause: number;
  /** Whether the name in a broker's certificate must be its host's. */
  readonly verifiesHost: boolean;
  readonly minTls: 'TLSv1.2' | 'TLSv1.3';
  readonly maxTls: 'TLSv1.2' | 'TLSv1.3';
  /** TLS although the field `tls` is unset. */
  readonly isTls: boolean;
  /** Authorities and client certificate in PEM, when the field `tls` has none. */
  readonly caCert: string;
  readonly cert: string;
}

export type Compression = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** Less than what a topic takes unless it is told otherwise (1048588). */
const BATCH_BYTES = 1_000_000;

export const DEFAULTS: KafkaOptions = {
  acks: -1,
  compression: 'none',
  retries: 0,
  batchBytes: BATCH_BYTES,
  linger: 0,
  bufferBytes: 33_554_432,
  idempotence: undefined,
  maxRequestBytes: Number.POSITIVE_INFINITY,
  requestTimeout: 10_000,
  deliveryTimeout: Number.POSITIVE_INFINITY,
  connectTimeout: 10_000,
  metadataMaxAge: 300_000,
  maxIdle: 540_000,
  reconnectPause: 50,
  maxReconnectPause: 1000,
  retryPause: 100,
  maxRetryPause: 1000,
  verifiesHost: true,
  minTls: 'TLSv1.2',
  maxTls: 'TLSv1.3',
  isTls: false,
  caCert: '',
  cert: '',
};
