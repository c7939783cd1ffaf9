import { CertmillError, isCertmillError, tlsRefusalOf } from '@certmill/domain';

/** The group has gone on without the member, or under another generation. */
const fencedTypes: ReadonlySet<unknown> = new Set([
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER_ID',
  'FENCED_INSTANCE_ID',
]);
/** What the group answers while it is being put together anew. */
const rebalancingTypes: ReadonlySet<unknown> = new Set([
  'REBALANCE_IN_PROGRESS',
  'NOT_COORDINATOR_FOR_GROUP',
]);
/** The caller's record, name or rights are wrong: the same again would be refused again. */
const finalTypes: ReadonlySet<unknown> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'INVALID_TOPIC_EXCEPTION',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
]);

/** Whatever Kafka or its client says, as a fault: FAULT_BUS_DOWN, to be retried, if nothing better is known. */
export function kafkaFault(message: string, cause: unknown): CertmillError {
  return isCertmillError(cause) ? cause : new CertmillError('FAULT_BUS_DOWN', message, { cause });
}

/**
 * CONFIG_INVALID where brokers and client do not accept each other: waiting does not mend that. For what
 * opens a connection only: of one that was open, credentials and certificates may be changing just now.
 */
export function kafkaRefusal(what: string, cause: unknown): CertmillError | undefined {
  const refusal = tlsRefusalOf(cause);
  const reason = isSaslRefusal(cause)
    ? 'Kafka refuses the credentials'
    : refusal && `a Kafka broker is not accepted: ${refusal}`;
  if (reason === undefined) return undefined;
  return new CertmillError('CONFIG_INVALID', `${what}: ${reason}`, { cause });
}

function isSaslRefusal(error: unknown): boolean {
  return chainOf(error).some(({ name }) => name === 'KafkaJSSASLAuthenticationError');
}

/** Whether an error, or what has caused it, is one of kafkajs'. */
export function isOfKafka(error: unknown): boolean {
  return chainOf(error).some(({ name }) => typeof name === 'string' && name.startsWith('KafkaJS'));
}

export function isFenced(error: unknown): boolean {
  return chainOf(error).some(({ type }) => fencedTypes.has(type));
}

export function isRebalancing(error: unknown): boolean {
  return chainOf(error).some(({ type }) => rebalancingTypes.has(type));
}

export function isTooLarge(error: unknown): boolean {
  return hasType(error, 'MESSAGE_TOO_LARGE') || hasType(error, 'RECORD_LIST_TOO_LARGE');
}

export function isUnknownTopic(error: unknown): boolean {
  return hasType(error, 'UNKNOWN_TOPIC_OR_PARTITION');
}

export function isOutOfRange(error: unknown): boolean {
  return hasType(error, 'OFFSET_OUT_OF_RANGE');
}

/** Whether trying again, perhaps with a new connection, can help. */
export function isTransient(error: unknown): boolean {
  return !isSaslRefusal(error) && !chainOf(error).some(({ type }) => finalTypes.has(type));
}

function hasType(error: unknown, wanted: string): boolean {
  return chainOf(error).some(({ type }) => type === wanted);
}

interface Link {
  readonly type: unknown;
  readonly name: unknown;
}

/** An error and its causes: kafkajs wraps what it has given up on. */
function chainOf(error: unknown): Link[] {
  const links: Link[] = [];
  let link = error;
  while (typeof link === 'object' && link !== null && links.length < 8) {
    links.push({
      type: 'type' in link ? link.type : undefined,
      name: 'name' in link ? link.name : undefined,
    });
    link = 'cause' in link ? link.cause : undefined;
  }
  return links;
}
