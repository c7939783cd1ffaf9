import type { Duplex } from 'node:stream';
import { ScramServer } from './scram-server.js';

const opMsg = 2_013;
const headerBytes = 16;
/** Flags and the kind of the first section. */
const sectionBytes = 5;
const authenticationFailed = 18;
const unauthorized = 13;
/** What a server answers to anybody. */
const open: ReadonlySet<string> = new Set(['hello', 'ismaster', 'isMaster', 'ping']);

/**
 * Lets nobody but these users through to a server that knows no users: answers the login as MongoDB
 * does, and refuses commands before it. What the client says after it goes on unread.
 */
export function mongoLogin(
  users: Readonly<Record<string, string>>,
  onRefused: (command: string) => void = () => undefined,
): (client: Duplex, server: Duplex) => void {
  return (client, server) => {
    const scram = new ScramServer(users);
    let pending = Buffer.alloc(0);
    const answer = (requestId: number, fields: Fields): void => {
      client.write(messageOf(requestId, fields));
    };
    const refuse = (requestId: number, command: string, code: number): void => {
      onRefused(command);
      answer(requestId, { ok: 0, code, errmsg: 'not logged in' });
    };
    /** True once the client is logged in. */
    const take = (message: Buffer): boolean => {
      const requestId = message.readInt32LE(4);
      const command = message.readInt32LE(12) === opMsg ? commandOf(message) : 'hello';
      if (command === 'saslStart') {
        const payload = Buffer.from(scram.first(payloadOf(message)));
        answer(requestId, { ok: 1, conversationId: 1, done: false, payload });
        return false;
      }
      if (command === 'saslContinue') {
        const final = scram.final(payloadOf(message));
        if (final === undefined) {
          refuse(requestId, command, authenticationFailed);
          return false;
        }
        answer(requestId, { ok: 1, conversationId: 1, done: true, payload: Buffer.from(final) });
        return true;
      }
      if (open.has(command)) server.write(message);
      else refuse(requestId, command, unauthorized);
      return false;
    };
    const read = (data: Buffer): void => {
      pending = Buffer.concat([pending, data]);
      while (pending.length >= headerBytes && pending.length >= pending.readInt32LE(0)) {
        const message = pending.subarray(0, pending.readInt32LE(0));
        pending = pending.subarray(message.length);
        if (!take(message)) continue;
        client.off('data', read);
        server.write(pending);
        client.pipe(server);
        return;
      }
    };
    client.on('data', read);
    server.pipe(client);
  };
}

function commandOf(message: Buffer): string {
  // Behind the document's length and the type of its first element.
  const name = headerBytes + sectionBytes + 5;
  return message.toString('utf8', name, message.indexOf(0, name));
}

function payloadOf(message: Buffer): string {
  const element = Buffer.from('\x05payload\0', 'latin1');
  const at = message.indexOf(element) + element.length;
  return message.toString('utf8', at + 5, at + 5 + message.readInt32LE(at));
}

type Fields = Readonly<Record<string, number | boolean | string | Buffer>>;

function messageOf(requestId: number, fields: Fields): Buffer {
  const document = documentOf(fields);
  const head = Buffer.alloc(headerBytes + sectionBytes);
  head.writeInt32LE(head.length + document.length, 0);
  head.writeInt32LE(requestId, 8);
  head.writeInt32LE(opMsg, 12);
  return Buffer.concat([head, document]);
}

/** BSON. */
function documentOf(fields: Fields): Buffer {
  const elements = Object.entries(fields).map(([name, value]) => {
    const key = Buffer.from(`${name}\0`);
    if (typeof value === 'number') {
      const double = Buffer.alloc(8);
      double.writeDoubleLE(value);
      return Buffer.concat([Buffer.of(1), key, double]);
    }
    if (typeof value === 'boolean') return Buffer.concat([Buffer.of(8), key, Buffer.of(+value)]);
    if (typeof value === 'string') {
      const text = Buffer.from(`${value}\0`);
      return Buffer.concat([Buffer.of(2), key, int32(text.length), text]);
    }
    return Buffer.concat([Buffer.of(5), key, int32(value.length), Buffer.of(0), value]);
  });
  const body = Buffer.concat([...elements, Buffer.of(0)]);
  return Buffer.concat([int32(body.length + 4), body]);
}

function int32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeInt32LE(value);
  return octets;
}
