import { connect } from '../../../src/client/web.ts';

/** Where the page is served from: its <base>, which is also where the API is. */
export const BASE = new URL(globalThis.document?.baseURI ?? '/', location.origin).href.replace(/\/$/, '');

/** The services, as the person who is logged in: the browser sends the cookie of its session. */
export const api = connect({ url: BASE, format: 'binary' });
