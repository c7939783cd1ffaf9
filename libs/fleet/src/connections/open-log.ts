import { checkTopics, openKafkaLog, type KafkaEventLog } from '@certmill/adapter-kafka';
import { CertmillError } from '@certmill/domain';
import { readClientTls, readSecret } from '../config/secret-files.js';
import type { FleetConfig } from '../config/fleet-config.js';
import type { ServiceContext } from '../service-context.js';
import { maxRecordBytes, topicSpecs } from '../topics.js';

/** How to reach the brokers, with secrets read from their files. */
export function kafkaConnection({ kafka }: Pick<FleetConfig, 'kafka'>, clientId: string) {
  const tls = readClientTls('kafka.tls', kafka.tls);
  return {
    brokers: kafka.brokers,
    clientId,
    ...(tls === undefined ? {} : { tls }),
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

/** The event log; waits for the brokers, and until the topics are as `fleet init` makes them. */
export async function openLog(context: ServiceContext): Promise<KafkaEventLog> {
  const { config, logger } = context;
  const connection = {
    ...kafkaConnection(config, `certmill-${context.role}-${context.instance}`),
    observe: ({ level, code, ...fields }: Parameters<NonNullable<Observe>>[0]) =>
      logger[level]({ ...fields, code, err: fields.cause }, `kafka: ${fields.message}`),
  };
  const what = `kafka at ${config.kafka.brokers.join(', ')}`;
  await context.waitFor(what, async () => {
    const { differences, warnings } = await checkTopics(connection, topicSpecs(config));
    for (const warning of warnings) logger.warn({ warning }, 'kafka');
    if (differences.length > 0) {
      throw new CertmillError(
        'FAULT_BUS_DOWN',
        `run 'certmill fleet init': ${differences.join('; ')}`,
      );
    }
  });
  const log = await context.waitFor(what, () =>
    openKafkaLog({
      ...connection,
      maxRecordBytes,
      sessionTimeoutMs: config.kafka.sessionTimeoutMs,
    }),
  );
  context.parts.push(log);
  return log;
}

type Observe = Parameters<typeof openKafkaLog>[0]['observe'];
