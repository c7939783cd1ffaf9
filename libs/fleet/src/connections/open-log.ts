import { openKafkaAdmin, openKafkaLog, type KafkaConnectionOptions } from '@certmill/adapter-kafka';
import { maxRecordBytes, CertmillError } from '@certmill/domain';
import { groups, lanes } from '@certmill/events';
import type { ConsumingStage } from '@certmill/pipeline';
import { LineLimiter } from '@certmill/platform';
import type { EventLog } from '@certmill/ports';
import { readClientTls, readSecret, type ClientTls } from '../config/secret-files.js';
import type { FleetConfig } from '../config/fleet-config.js';
import type { ServiceContext } from '../service-context.js';
import { clusterSpec, readers, urgentTopics } from '../topics.js';

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
  // Of brokers that are away the client has much to say.
  const limiter = new LineLimiter();
  const connection: KafkaConnectionOptions = {
    ...kafkaConnection(config, `certmill-${context.role}-${context.instance}`),
    observe({ level, message, cause, ...fields }) {
      const passed = limiter.pass(`${level} ${fields.code}`);
      if (passed === undefined) return;
      const error = cause === undefined ? {} : { err: cause };
      logger[level]({ ...fields, ...passed, ...error }, `kafka: ${message}`);
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
  const measured = context.metrics.log.measured(log);
  return context.overrides.aroundLog?.(measured) ?? measured;
}

/** Shows the lags of these stages, of the lanes that the process works for; ingest's is both. */
export function watchLags(
  { config, metrics, role }: ServiceContext,
  log: EventLog,
  stages: readonly ConsumingStage[],
): void {
  const shown = role === 'ingest' ? lanes : config.lanes;
  for (const { group, topics } of readers) {
    if (!stages.some((stage) => groups[stage] === group)) continue;
    for (const lane of shown) metrics.log.watchLag(log, topics[lane], group);
  }
}
