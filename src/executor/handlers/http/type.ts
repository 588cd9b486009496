import type { HandlerType } from '../handler.ts';
import { BatchHandler } from './batch-handler.ts';
import { check } from './check.ts';
import { HttpHandler } from './http-handler.ts';
import { packLimits } from './limits.ts';
import { fieldOf } from './place.ts';
import { validate } from './validate.ts';

/** HTTP endpoints: one request a message, or a batch of them. */
export const http: HandlerType<'http'> = {
  pack: packLimits,
  validate,
  check,
  fieldOf,
  create: (config, context) =>
    config.batching ? new BatchHandler(config, config.batching, context) : new HttpHandler(config, context),
};
