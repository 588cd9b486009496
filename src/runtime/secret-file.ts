import { FollowedFiles, type NamedFile } from './followed-files.ts';
import type { Logger } from './logger.ts';

/**
 * The secret that a file holds, anew once the file has changed; a line break at its end does not count.
 * @throws UserError when it cannot be read, or is empty
 */
export function followSecret(file: NamedFile, logger: Logger): FollowedFiles<string> {
  return new FollowedFiles([file], ([text = '']) => secretIn(text), logger);
}

function secretIn(text: string): string {
  const secret = text.replace(/\r?\n$/, '');
  if (secret === '') throw new Error('there is nothing in it');
  return secret;
}
