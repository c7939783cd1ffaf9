import kafkajs from 'kafkajs';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup.js';
import Runner from 'kafkajs/src/consumer/runner.js';
import Connection from 'kafkajs/src/network/connection.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import produce from 'kafkajs/src/protocol/requests/produce/index.js';
import RequestQueue from 'kafkajs/src/network/requestQueue/index.js';
import { canEncode, encodeProduce } from './encode-produce.js';

/** Above that a buffer gets what it needs and a little, not the next power of two. */
const exactFromBytes = 64 * 1024;
const lowestVersion = 3;
/** So much later than kafkajs' own time-out. */
const connectionGraceMs = 500;
/** What makes kafkajs join its group anew out of a fetch, by type and by name. */
const staleErrors: ReadonlySet<unknown> = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'KafkaJSTopicMetadataNotLoaded',
  'KafkaJSStaleTopicMetadataAssignment',
]);

let isDone = false;

/**
 * Mends what of kafkajs 2.2.4, pinned and no longer released, costs too much here or fails under faults.
 * What goes over the wire stays the same. Idempotent.
 */
export function mendKafkajs(): void {
  if (isDone) return;
  isDone = true;
  scheduleOnlyWhatWaits();
  growWithoutZeros();
  encodeOnce();
  connectOnce();
  joinBetweenFetches();
  endWithTheRunner();
}

/**
 * kafkajs sets a timer after each answer, also where nothing waits; its delay is then some negative date,
 * of which Node warns (TimeoutNegativeWarning), and it fires for nothing.
 */
function scheduleOnlyWhatWaits(): void {
  const { prototype } = RequestQueue;
  const schedule = Object.getOwnPropertyDescriptor(prototype, 'scheduleCheckPendingRequests')
    ?.value as (this: RequestQueue) => void;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this);
  };
}

/** A growing Encoder fills its new buffer with zeros, which it writes over. */
function growWithoutZeros(): void {
  Encoder.prototype.ensureAvailable = function (this: Encoder, length: number) {
    const needed = this.offset + length;
    if (needed <= this.buf.length) return;
    const bytes =
      needed < exactFromBytes ? Encoder.nextPowerOfTwo(needed) : needed + Math.floor(needed / 16);
    const grown = Buffer.allocUnsafe(bytes);
    this.buf.copy(grown, 0, 0, this.offset);
    this.buf = grown;
  };
}

function encodeOnce(): void {
  const original = produce.protocol;
  produce.protocol = (of) => {
    const make = original(of);
    if (of.version < lowestVersion) return make;
    return (given) => {
      const made = make(given);
      if (!canEncode(given)) return made;
      const encode = () => {
        const buffer = encodeProduce(given, Date.now());
        return Promise.resolve({ buf: buffer, buffer });
      };
      return { ...made, request: { ...made.request, encode } };
    };
  };
}

/**
 * Each request that finds a connection closed opens it: of several at once all but one socket are left
 * behind, and what is written may wait in one that never connects, for ever. And a peer that hangs up
 * before it is connected leaves the wait without an end.
 */
function connectOnce(): void {
  const { prototype } = Connection;
  const connect = Object.getOwnPropertyDescriptor(prototype, 'connect')?.value as (
    this: Connection,
  ) => Promise<boolean>;
  const connecting = new WeakMap<Connection, Promise<boolean>>();
  prototype.connect = function (this: Connection) {
    const known = connecting.get(this);
    if (known !== undefined) return known;
    const made = inTime(this, connect.call(this)).finally(() => connecting.delete(this));
    connecting.set(this, made);
    return made;
  };
}

function inTime(connection: Connection, work: Promise<boolean>): Promise<boolean> {
  const { host, port, connectionTimeout } = connection;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const broker = `${host}:${port}`;
      reject(new kafkajs.KafkaJSConnectionError('Connection timeout', { broker }));
    }, connectionTimeout + connectionGraceMs);
    work
      .finally(() => {
        clearTimeout(timer);
      })
      .then(resolve, reject);
  });
}

/**
 * When a partition has moved to another broker, kafkajs joins the group anew while it still fetches from
 * the others. What they bring then is from before: offsets of partitions that are others' now, or above
 * those that the group has committed. As a rebalance, the same is done once all fetches have ended.
 */
function joinBetweenFetches(): void {
  const { prototype } = ConsumerGroup;
  const recover = Object.getOwnPropertyDescriptor(prototype, 'recoverFromFetch')?.value as (
    this: ConsumerGroup,
    error: unknown,
  ) => Promise<void>;
  prototype.recoverFromFetch = async function (this: ConsumerGroup, error: unknown) {
    if (!isStale(error)) {
      await recover.call(this, error);
      return;
    }
    await this.cluster.refreshMetadata();
    const rebalance = new kafkajs.KafkaJSError('The partitions have moved');
    throw Object.assign(rebalance, { type: 'REBALANCE_IN_PROGRESS' });
  };
}

/**
 * Where the brokers change, kafkajs ends its fetchers and makes new ones. A consumer that is stopped just
 * then stops the old ones only: the new ones are answered with nothing, at once, and ask again in the same
 * turn of the event loop, for ever. The process hears of nothing any more.
 */
function endWithTheRunner(): void {
  const { prototype } = Runner;
  const fetch = Object.getOwnPropertyDescriptor(prototype, 'fetch')?.value as (
    this: Runner,
    nodeId: number,
  ) => Promise<readonly unknown[]>;
  prototype.fetch = function (this: Runner, nodeId: number) {
    // Not waited for: a fetcher ends once this fetch has.
    if (!this.running) void this.fetchManager.stop();
    return fetch.call(this, nodeId);
  };
}

function isStale(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const type = 'type' in error ? error.type : undefined;
  const name = 'name' in error ? error.name : undefined;
  return staleErrors.has(type) || staleErrors.has(name);
}
