import type { Message } from 'kafkajs';
import type { ProduceArguments } from 'kafkajs/src/protocol/requests/produce/index.js';
import { crc32c } from './crc32c.js';

/** Of a record batch, from its base offset to the number of its records (Kafka's format v2). */
const batchHeadBytes = 61;
/** What the batch's length and its checksum leave out. */
const beforeLength = 12;
const crcAt = 17;
const beforeCrc = 21;
const magic = 2;

/**
 * The body of a Produce request (versions 3 to 7) in one buffer of the right size, written once. kafkajs
 * copies each record some nine times into buffers that grow: five times the CPU (kafka-log.bench.ts). Only
 * what `canEncode` says.
 */
export function encodeProduce(given: ProduceArguments, nowMs: number): Buffer {
  const parts = given.topicData.map(({ topic, partitions }) => ({
    topic: Buffer.from(topic),
    partitions: partitions.map(({ partition, messages }) => sizeBatch(partition, messages)),
  }));
  let size = 2 + 2 + 4 + 4;
  for (const { topic, partitions } of parts) {
    size += 2 + topic.length + 4;
    for (const { bytes } of partitions) size += 4 + 4 + bytes;
  }
  const writer = new Writer(Buffer.allocUnsafe(size));
  writer.int16(-1); // No transactional id.
  writer.int16(given.acks);
  writer.int32(given.timeout);
  writer.int32(parts.length);
  for (const { topic, partitions } of parts) {
    writer.int16(topic.length);
    writer.bytes(topic);
    writer.int32(partitions.length);
    for (const batch of partitions) {
      writer.int32(batch.partition);
      writer.int32(batch.bytes);
      writeBatch(writer, batch, nowMs);
    }
  }
  return writer.buffer;
}

/** Not idempotent, not transactional, not compressed, without time stamps of the records' own. */
export function canEncode({
  compression,
  transactionalId,
  producerId,
  topicData,
}: ProduceArguments): boolean {
  return (
    (compression ?? 0) === 0 &&
    (transactionalId ?? '') === '' &&
    (producerId ?? -1) === -1 &&
    topicData.every(({ partitions }) => partitions.every(({ messages }) => messages.every(isPlain)))
  );
}

function isPlain({ value, timestamp, headers = {} }: Message): boolean {
  const values = Object.values(headers);
  return (
    timestamp === undefined &&
    Buffer.isBuffer(value) &&
    values.every((header) => typeof header === 'string' || Buffer.isBuffer(header))
  );
}

interface SizedRecord {
  /** Behind its own length. */
  readonly bytes: number;
  readonly key: Buffer | undefined;
  readonly value: Buffer;
  readonly headers: readonly (readonly [Buffer, Buffer])[];
}

interface SizedBatch {
  readonly partition: number;
  readonly bytes: number;
  readonly records: readonly SizedRecord[];
}

function sizeBatch(partition: number, messages: readonly Message[]): SizedBatch {
  let bytes = batchHeadBytes;
  const records = messages.map((message, i) => {
    const record = sizeRecord(message, i);
    bytes += varintBytes(record.bytes) + record.bytes;
    return record;
  });
  return { partition, bytes, records };
}

function sizeRecord(message: Message, offsetDelta: number): SizedRecord {
  const key = bufferOf(message.key);
  const value = bufferOf(message.value) ?? Buffer.alloc(0);
  const headers = Object.entries(message.headers ?? {}).map(
    ([name, text]) => [Buffer.from(name), bufferOf(text) ?? Buffer.alloc(0)] as const,
  );
  // Attributes and the difference in time, both 0, then the offset's.
  let bytes = 1 + 1 + varintBytes(offsetDelta);
  bytes += key === undefined ? 1 : fieldBytes(key);
  bytes += fieldBytes(value) + varintBytes(headers.length);
  for (const [name, text] of headers) bytes += fieldBytes(name) + fieldBytes(text);
  return { bytes, key, value, headers };
}

function bufferOf(given: Message['key'] | readonly unknown[]): Buffer | undefined {
  if (Buffer.isBuffer(given)) return given;
  return typeof given === 'string' ? Buffer.from(given) : undefined;
}

function writeBatch(writer: Writer, { bytes, records }: SizedBatch, nowMs: number): void {
  const start = writer.at;
  writer.int64(0n); // The broker gives the offsets,
  writer.int32(bytes - beforeLength);
  writer.int32(0); // and the epoch of the leader.
  writer.int8(magic);
  writer.int32(0); // Below.
  writer.int16(0);
  writer.int32(records.length - 1);
  writer.int64(BigInt(nowMs));
  writer.int64(BigInt(nowMs));
  // No producer id, hence no epoch and no sequence number; as kafkajs writes them.
  writer.int64(-1n);
  writer.int16(0);
  writer.int32(0);
  writer.int32(records.length);
  for (const [i, record] of records.entries()) writeRecord(writer, record, i);
  writer.buffer.writeUInt32BE(crc32c(writer.buffer, start + beforeCrc, writer.at), start + crcAt);
}

function writeRecord(writer: Writer, record: SizedRecord, offsetDelta: number): void {
  writer.varint(record.bytes);
  writer.int8(0);
  writer.varint(0);
  writer.varint(offsetDelta);
  if (record.key === undefined) writer.varint(-1);
  else writer.field(record.key);
  writer.field(record.value);
  writer.varint(record.headers.length);
  for (const [name, text] of record.headers) {
    writer.field(name);
    writer.field(text);
  }
}

/** ZigZag, then seven bits an octet: numbers of 31 bits with a sign. */
function varintBytes(value: number): number {
  let rest = (value << 1) ^ (value >> 31);
  let bytes = 1;
  while ((rest & ~0x7f) !== 0) {
    rest >>>= 7;
    bytes++;
  }
  return bytes;
}

function fieldBytes({ length }: Buffer): number {
  return varintBytes(length) + length;
}

class Writer {
  readonly buffer: Buffer;
  at = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  int8(value: number): void {
    this.at = this.buffer.writeInt8(value, this.at);
  }

  int16(value: number): void {
    this.at = this.buffer.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.buffer.writeInt32BE(value, this.at);
  }

  int64(value: bigint): void {
    this.at = this.buffer.writeBigInt64BE(value, this.at);
  }

  varint(value: number): void {
    let rest = (value << 1) ^ (value >> 31);
    while ((rest & ~0x7f) !== 0) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.at++] = rest;
  }

  field(bytes: Buffer): void {
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  bytes(bytes: Buffer): void {
    this.at += bytes.copy(this.buffer, this.at);
  }
}
