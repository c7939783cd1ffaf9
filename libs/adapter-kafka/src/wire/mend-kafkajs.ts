import kafkajs from 'kafkajs';
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
