// The only scripts that a page may start by their address are files of its own origin: what the policy of the server demands.

interface TrustedPolicy {
  createScriptURL(url: string): string;
}
interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): TrustedPolicy;
}

const own = (url: string): string => {
  const whole = new URL(url, document.baseURI);
  if (whole.origin !== location.origin) throw new TypeError(`${whole.origin} is not this page's own origin`);
  return whole.href;
};

const { trustedTypes } = globalThis as { readonly trustedTypes?: TrustedTypes };
const policy = trustedTypes?.createPolicy('penstock', { createScriptURL: own });

/** The address of a script of one's own, as the browser wants it. */
export const scriptUrl = (url: string): string => policy?.createScriptURL(url) ?? own(url);
