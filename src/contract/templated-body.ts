import { type Body, type BodyOptions, bodyWriter } from './body.ts';
import { compileTemplate, isJsonTemplate, type MissingRule, type TemplateSource } from './template.ts';

export interface TemplatedBodyOptions extends BodyOptions {
  /** The body, instead of the payload or the envelope. Empty or undefined: there is none. */
  readonly bodyTemplate: string | undefined;
  readonly missing: MissingRule;
}

/**
 * A function that writes the body of a message: by the template if there is one, and otherwise as `bodyWriter` does. A
 * template that is JSON stays JSON, whatever the values. It throws an `UnencodableError`.
 * @throws when something is wrong with the template
 */
export function templatedBodyWriter(options: TemplatedBodyOptions): (source: TemplateSource) => Body {
  const { bodyTemplate, missing } = options;
  if (!bodyTemplate) {
    const write = bodyWriter(options);
    return ({ envelope }) => write(envelope);
  }
  const isJson = isJsonTemplate(bodyTemplate);
  const contentType = isJson ? 'application/json' : 'text/plain; charset=utf-8';
  const write = compileTemplate(bodyTemplate, isJson ? 'json' : 'none', missing);
  return (source) => ({ content: write(source), contentType });
}
