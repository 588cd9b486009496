/** In place of `@bufbuild/re2` in a browser: `validate.ts` gives patterns to the browser's own engine. */
export const RE2JS = {
  compile(): never {
    throw new Error('patterns are matched by the browser');
  },
};
