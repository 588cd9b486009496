/** Where the page is served from: its <base>, which is also where the API is. */
export const BASE = new URL(globalThis.document?.baseURI ?? '/', location.origin).href.replace(/\/$/, '');
