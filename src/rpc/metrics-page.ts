import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { connectNodeAdapter } from '@connectrpc/connect-node';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { type Metrics, metricsText } from '../runtime/metrics.ts';

type PageHandler = ReturnType<typeof connectNodeAdapter>;
type Request = Parameters<PageHandler>[0];
type Response = Parameters<PageHandler>[1];

interface Options {
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** Sends the figures as they are written, no faster than they are read. Ends with the caller. */
export async function sendMetrics(
  { method, headers }: Request,
  response: Response,
  { metrics, logger }: Options,
): Promise<void> {
  const isZipped = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(String(headers['accept-encoding'] ?? ''));
  response.appendHeader('vary', 'accept-encoding');
  response.writeHead(200, {
    'content-type': metrics.registry.contentType,
    ...(isZipped && { 'content-encoding': 'gzip' }),
  });
  if (method === 'HEAD') {
    response.end();
    return;
  }
  const text = Readable.from(metricsText(metrics));
  const sink = response as NodeJS.WritableStream;
  try {
    await (isZipped ? pipeline(text, createGzip({ level: 1 }), sink) : pipeline(text, sink));
  } catch (error) {
    logger.debug('the figures were not read to their end', { error: messageOf(error) });
  }
}
