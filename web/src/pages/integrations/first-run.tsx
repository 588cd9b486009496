import { newPath } from '../../app/routes.ts';
import { Empty } from '../../ui/notice.tsx';
import { RoleLink } from '../../ui/role-button.tsx';

const COMMAND = `curl -s ${location.origin}/api/v1/integrations -H 'content-type: application/json' -d '{
  "name": "first", "enabled": true, "topicFilters": ["sensors/#"],
  "http": {"restEndpointUrl": "http://127.0.0.1:9000/"}
}'`;

/** There is no integration yet: how the first one is made. */
export function FirstRun() {
  return (
    <Empty title="There is no integration yet">
      <p>
        An integration takes the messages of some MQTT topics and delivers them to an HTTP endpoint, an MQTT
        broker or a Kafka cluster.
      </p>
      <p>
        <RoleLink
          method="IntegrationService/CreateIntegration"
          href={newPath()}
          text="Make the first one"
          isPrimary
        />
      </p>
      <p class="quiet">Or from a shell:</p>
      <pre class="wrapped">{COMMAND}</pre>
      <p>It appears here as soon as it is made.</p>
    </Empty>
  );
}
