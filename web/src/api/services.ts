import { connect } from '../../../src/client/web.ts';
import { BASE } from './base.ts';

export const services = connect({ url: BASE, format: 'binary' });
