import type { Route } from '../../web/src/app/routes.ts';

/** A page, and what of it calls something that changes. */
export interface RolePage {
  readonly path: string;
  /** The heading, once the page is there. */
  readonly heading: string;
  /** What is chosen first, for what is there only then. */
  readonly pick?: string;
  /** The names of its controls, each with the method that it calls in the end. */
  readonly controls: Readonly<Record<string, string>>;
}

const I = 'IntegrationService';
const HEAD = {
  Edit: `${I}/UpdateIntegration`,
  Disable: `${I}/DisableIntegration`,
  Restart: `${I}/RestartIntegration`,
  'Check connection': `${I}/CheckConnection`,
  'Try a message': `${I}/TryDelivery`,
  Duplicate: `${I}/CreateIntegration`,
  Replay: 'ReplayService/StartReplay',
  Delete: `${I}/DeleteIntegration`,
};
const NONE = {};

/**
 * Every page of the UI: one that is new does not compile until it is here, with its controls.
 * @param id of an integration that is enabled, and called `name`
 */
export const pagesOf = (
  id: string,
  name: string,
): Readonly<Record<Exclude<Route['page'], 'login' | 'unknown'>, RolePage>> => ({
  integrations: {
    path: '/integrations',
    heading: 'Integrations',
    pick: `Select ${name}`,
    controls: {
      'New integration': `${I}/CreateIntegration`,
      [`${name} enabled`]: `${I}/DisableIntegration`,
      Enable: `${I}/EnableIntegration`,
      Disable: `${I}/DisableIntegration`,
      Restart: `${I}/RestartIntegration`,
      Delete: `${I}/DeleteIntegration`,
    },
  },
  integration: {
    path: `/integrations/${id}/dead-letters`,
    heading: name,
    controls: {
      ...HEAD,
      'Redrive…': 'DeadLetterService/StartRedrive',
      'Purge…': 'DeadLetterService/PurgeDeadLetters',
    },
  },
  new: {
    path: '/integrations/new',
    heading: 'New integration',
    controls: {
      'Review and create': `${I}/CreateIntegration`,
      'Deliver this message now': `${I}/CreateIntegration`,
    },
  },
  edit: {
    path: `/integrations/${id}/edit`,
    heading: `Edit ${name}`,
    // Of what is not saved: for those who may save it.
    controls: {
      'Review and save': `${I}/UpdateIntegration`,
      'Check connection': `${I}/UpdateIntegration`,
      'Deliver this message now': `${I}/UpdateIntegration`,
    },
  },
  replay: {
    path: `/integrations/${id}/replay`,
    heading: 'Replay',
    controls: { 'Start the replay': 'ReplayService/StartReplay' },
  },
  replays: { path: '/replays', heading: 'Replays', controls: NONE },
  // It publishes as an MQTT client does, which asks for no role.
  try: { path: '/try', heading: 'Try it', controls: NONE },
  messages: { path: '/messages', heading: 'Messages', controls: NONE },
  'dead-letters': { path: '/dead-letters', heading: 'Dead letters', controls: NONE },
  events: { path: '/events', heading: 'Events', controls: NONE },
  nodes: { path: '/nodes', heading: 'Nodes', controls: NONE },
  node: { path: '/nodes/cp', heading: 'cp', controls: NONE },
  access: {
    path: '/access',
    heading: 'Access',
    controls: { 'Audit records': 'AuditService/ListAuditRecords' },
  },
  audit: { path: '/audit', heading: 'Audit records', controls: NONE },
});
