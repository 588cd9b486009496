import { effect, untracked } from '@preact/signals';
import { toLogin } from '../api/use-query.ts';
import { connection } from '../live/live.ts';
import { IntegrationsPage } from '../pages/integrations/integrations-page.tsx';
import { Empty } from '../ui/notice.tsx';
import { Lazy } from './lazy.tsx';
import { people } from './leave.ts';
import { query, route } from './location.ts';
import { Shell } from './shell.tsx';

// The list is what opens: every other page is loaded when it is wanted.
const loadIntegration = () => import('../pages/integration/integration-page.tsx');
type IntegrationModule = Awaited<ReturnType<typeof loadIntegration>>;
/** The form comes with all rules of the schema: only who opens it loads it. */
const loadEditPages = () => import('../pages/edit/edit-page.tsx');
type EditPages = Awaited<ReturnType<typeof loadEditPages>>;
const loadTryPage = () => import('../pages/try/try-page.tsx');
const loadMessages = () => import('../pages/messages/messages-page.tsx');
const loadDeadLetters = () => import('../pages/dead-letters/dead-letters-page.tsx');
const loadReplays = () => import('../pages/replays/replays-page.tsx');
const loadReplayForm = () => import('../pages/replays/replay-form.tsx');
type ReplayFormModule = Awaited<ReturnType<typeof loadReplayForm>>;
const loadEvents = () => import('../pages/events/events-page.tsx');
const loadNodes = () => import('../pages/nodes/nodes-page.tsx');
const loadNode = () => import('../pages/nodes/node-page.tsx');
type NodeModule = Awaited<ReturnType<typeof loadNode>>;
const loadAccess = () => import('../pages/access/access-page.tsx');
const loadAudit = () => import('../pages/audit/audit-page.tsx');
const loadLogin = () => import('../pages/login/login-page.tsx');

// Also who comes back from there by the browser's button.
effect(() => {
  if (connection.value.state === 'login' && route.value.page !== 'login') untracked(toLogin);
});

export function App() {
  const now = route.value;
  if (now.page === 'login')
    return <Lazy key="login" load={loadLogin} what="the login" show={({ LoginPage }) => <LoginPage />} />;
  return (
    <Shell>
      <Page key={people.value} />
    </Shell>
  );
}

function Page() {
  const now = route.value;
  switch (now.page) {
    case 'integrations':
      return <IntegrationsPage />;
    case 'integration': {
      const show = ({ IntegrationPage }: IntegrationModule) => <IntegrationPage id={now.id} tab={now.tab} />;
      return <Lazy key={now.id} load={loadIntegration} what="the integration" show={show} />;
    }
    case 'new': {
      const from = query.value.get('from') ?? '';
      const show = ({ NewPage }: EditPages) => <NewPage from={from} />;
      return <Lazy key={`new ${from}`} load={loadEditPages} what="the form" show={show} />;
    }
    case 'edit': {
      const show = ({ EditPage }: EditPages) => <EditPage id={now.id} />;
      return <Lazy key={`edit ${now.id}`} load={loadEditPages} what="the form" show={show} />;
    }
    case 'try':
      return <Lazy key="try" load={loadTryPage} what="the MQTT client" show={({ TryPage }) => <TryPage />} />;
    case 'messages':
      return (
        <Lazy
          key="messages"
          load={loadMessages}
          what="the messages"
          show={({ MessagesPage }) => <MessagesPage />}
        />
      );
    case 'replay': {
      const show = ({ ReplayForm }: ReplayFormModule) => <ReplayForm id={now.id} />;
      return <Lazy key={`replay ${now.id}`} load={loadReplayForm} what="the form" show={show} />;
    }
    case 'dead-letters':
      return (
        <Lazy
          key="dead-letters"
          load={loadDeadLetters}
          what="the dead letters"
          show={({ DeadLettersPage }) => <DeadLettersPage />}
        />
      );
    case 'replays':
      return (
        <Lazy
          key="replays"
          load={loadReplays}
          what="the replays"
          show={({ ReplaysPage }) => <ReplaysPage />}
        />
      );
    case 'events':
      return (
        <Lazy key="events" load={loadEvents} what="the events" show={({ EventsPage }) => <EventsPage />} />
      );
    case 'nodes':
      return <Lazy key="nodes" load={loadNodes} what="the nodes" show={({ NodesPage }) => <NodesPage />} />;
    case 'node': {
      const show = ({ NodePage }: NodeModule) => <NodePage id={now.id} />;
      return <Lazy key={`node ${now.id}`} load={loadNode} what="the node" show={show} />;
    }
    case 'access':
      return (
        <Lazy key="access" load={loadAccess} what="the access" show={({ AccessPage }) => <AccessPage />} />
      );
    case 'audit':
      return (
        <Lazy key="audit" load={loadAudit} what="the audit records" show={({ AuditPage }) => <AuditPage />} />
      );
    default:
      return (
        <Empty title="There is no such page">
          <p>
            <a href="/integrations">To the integrations</a>
          </p>
        </Empty>
      );
  }
}
