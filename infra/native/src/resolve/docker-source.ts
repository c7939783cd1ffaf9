import type { StartedTestContainer } from 'testcontainers';
import type { ServerPart, ServerSource } from './server-source.js';

export interface DockerSourceOptions {
  /** More than one is left to the next way. */
  readonly brokers: number;
}

const images = {
  kafka: 'confluentinc/cp-kafka:8.0.0',
  mongo: 'mongo:8.0',
  redis: 'redis:7.4-alpine',
} as const;

async function hasContainerRuntime(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  try {
    await getContainerRuntimeClient();
    return true;
  } catch {
    return false;
  }
}

function stopOf(container: StartedTestContainer): () => Promise<void> {
  return async () => {
    await container.stop();
  };
}

async function startKafka(): Promise<ServerPart> {
  const { KafkaContainer } = await import('@testcontainers/kafka');
  const clientPort = 9093;
  const container = await new KafkaContainer(images.kafka)
    .withEnvironment({ KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false' })
    .start();
  return {
    environment: {
      KAFKA_BROKERS: `${container.getHost()}:${container.getMappedPort(clientPort)}`,
    },
    stop: stopOf(container),
  };
}

async function startMongo(): Promise<ServerPart> {
  const { MongoDBContainer } = await import('@testcontainers/mongodb');
  const container = await new MongoDBContainer(images.mongo).start();
  return {
    // The one member of its replica set is known there by a name that does not resolve here.
    environment: { MONGODB_URI: `${container.getConnectionString()}/?directConnection=true` },
    stop: stopOf(container),
  };
}

async function startRedis(): Promise<ServerPart> {
  const { GenericContainer, Wait } = await import('testcontainers');
  const port = 6379;
  const container = await new GenericContainer(images.redis)
    .withCommand(['redis-server', '--appendonly', 'yes', '--maxmemory-policy', 'noeviction'])
    .withExposedPorts(port)
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    .start();
  return {
    environment: { REDIS_URL: `redis://${container.getHost()}:${container.getMappedPort(port)}` },
    stop: stopOf(container),
  };
}

/** Containers by Testcontainers, which removes them also where this process is killed. */
export function dockerSource(options: DockerSourceOptions): ServerSource {
  let isThere: Promise<boolean> | undefined;
  return {
    origin: 'docker',
    find: async (need) => {
      // A PKCS#11 module is loaded by its user: a container has no use for it.
      if (need === 'softhsm' || (need === 'kafka' && options.brokers > 1)) return undefined;
      isThere ??= hasContainerRuntime();
      if (!(await isThere)) return undefined;
      switch (need) {
        case 'kafka':
          return startKafka();
        case 'mongo':
          return startMongo();
        case 'redis':
          return startRedis();
      }
    },
  };
}
