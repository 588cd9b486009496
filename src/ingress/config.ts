import type { Settings } from '../runtime/settings.ts';
import type { ListenerConfig } from './listener/listener.ts';

export interface IngressConfig {
  readonly serviceId: string;
  readonly kafkaPrefix: string;
  readonly mqtt: ListenerConfig;
}

export function ingressConfig(settings: Settings): IngressConfig {
  return {
    serviceId: settings.TB_SERVICE_ID,
    kafkaPrefix: settings.PENSTOCK_KAFKA_PREFIX,
    mqtt: {
      host: settings.PENSTOCK_BIND_ADDRESS,
      port: settings.PENSTOCK_MQTT_PORT,
      maxPacketBytes: settings.PENSTOCK_MQTT_MAX_PACKET_BYTES,
      maxConnections: settings.PENSTOCK_MQTT_MAX_CONNECTIONS,
      maxMemoryBytes: settings.PENSTOCK_MQTT_MAX_MEMORY_BYTES,
      connectTimeout: settings.PENSTOCK_MQTT_CONNECT_TIMEOUT,
      packetTimeout: settings.PENSTOCK_MQTT_PACKET_TIMEOUT,
    },
  };
}
