import { openKafkaAdmin, openKafkaLog, type KafkaConnectionOptions } from '@certmill/adapter-kafka';
import { CertmillError } from '@certmill/domain';
import type { EventLog } from '@certmill/ports';
import { readClientTls, readSecret, type ClientTls } from '../config/secret-files.js';
import type { FleetConfig } from '../config/fleet-config.js';
import type { ServiceContext } from '../service-context.js';
import { clusterSpec, maxRecordBytes, urgentTopics } from '../topics.js';

/** How to reach the brokers, with secrets read from their files. */
export function kafkaConnection(
  { kafka }: Pick<FleetConfig, 'kafka'>,
  clientId: string,
): KafkaConnectionOptions {
  const tls = readClientTls('kafka.tls', kafka.tls);
  return {
    brokers: kafka.brokers,
    clientId,
    ...(tls === undefined ? {} : { tls: buffersOf(tls) }),
    ...(kafka.sasl === undefined
      ? {}
      : {
          sasl: {
            mechanism: kafka.sasl.mechanism,
            username: kafka.sasl.username,
            password: readSecret('kafka.sasl.passwordFile', kafka.sasl.passwordFile),
          },
        }),
  };
}

function buffersOf(tls: ClientTls): NonNullable<KafkaConnectionOptions['tls']> {
  return Object.fromEntries(
    Object.entries(tls).map(([name, pem]: [string, string]) => [name, Buffer.from(pem)]),
  );
}

/** The event log; waits for the brokers, and until the topics are as `fleet init` makes them. */
export async function openLog(context: ServiceContext): Promise<EventLog> {
  const { config, logger, parts } = context;
  const connection: KafkaConnectionOptions = {
    ...kafkaConnection(config, `certmill-${context.role}-${context.instance}`),
    observe({ level, message, cause, ...fields }) {
      logger[level]({ ...fields, ...(cause === undefined ? {} : { err: cause }) }, message);
    },
  };
  const what = `kafka at ${config.kafka.brokers.join(', ')}`;
  const admin = openKafkaAdmin(connection);
  try {
    const warnings = await context.waitFor(what, async () => {
      const report = await admin.checkTopics(clusterSpec(config));
      if (report.differences.length === 0) return report.warnings;
      const differences = report.differences.join('; ');
      throw new CertmillError('FAULT_BUS_DOWN', `run 'certmill fleet init': ${differences}`);
    });
    for (const warning of warnings) logger.warn(warning);
  } finally {
    await admin.stop(1_000);
  }
  const log = await context.waitFor(what, () =>
    openKafkaLog({
      ...connection,
      maxRecordBytes,
      urgentTopics,
      sessionTimeoutMs: config.kafka.sessionTimeoutMs,
    }),
  );
  parts.push(log);
  return context.overrides.aroundLog?.(log) ?? log;
}
