import { setTimeout as pause } from 'node:timers/promises';
import {
  csrOfRequest,
  pacedRequestsOf,
  probeOf,
  singleEnrolment,
  type Fleet,
  type FleetBatch,
  type FleetOrder,
} from './fleet.js';

/** Where the server answers in its present life. */
export interface ServerLife {
  readonly url: string;
  readonly key: string;
  /** Aborts when the server is gone. */
  readonly gone: AbortSignal;
}

/** A batch as the server tells of it. */
export interface BatchAnswer {
  readonly batchId: string;
  readonly state: 'uploading' | 'processing' | 'complete' | 'cancelled' | 'broken-off';
  readonly nextIndex: number;
  readonly total?: number;
  readonly counters: {
    readonly accepted: number;
    readonly issued: number;
    readonly rejected: number;
    readonly cancelled: number;
    readonly deadLettered: number;
    readonly inFlight: number;
  };
}

interface CertificateLine {
  readonly chunk: number;
  readonly index: number;
  readonly certificate: string;
}

interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
}

/** What the client knows of one batch. */
interface BatchNotes {
  batchId?: string;
  isUploaded: boolean;
  /** From the moment it is asked for: the upload may hear of it first. */
  isCancelAsked: boolean;
  isCancelled: boolean;
  lastChunk: number;
}

/** Chunks that are downloaded again in each life: those that the server may have had in hand. */
const chunksReadAgain = 24;
const linesPerWrite = 32;
const pollMs = 25;
const maxEnrolDelayMs = 1_500;
const outagePauseMs = 250;

/**
 * A factory that uploads its fleet whatever happens to the server, reads along, and forgets
 * nothing: each 202 and each certificate that it ever saw. What contradicts an earlier answer is
 * noted.
 */
export class FactoryClient {
  /** By Idempotency-Key: the answers 202. */
  readonly acknowledged = new Map<string, BatchAnswer>();
  /** By `<batch id>/<index>`: the certificate as first downloaded, PEM. */
  readonly certificates = new Map<string, string>();
  readonly contradictions: string[] = [];
  readonly #fleet: Fleet;
  readonly #random: () => number;
  readonly #bearsOutages: boolean;
  readonly #notes = new Map<string, BatchNotes>();
  /** One more in each life of the server. */
  readonly #singles: FleetBatch[] = [];
  readonly #probes: FleetBatch[] = [];
  /** `<batch id>.<chunk number>` */
  readonly #chunksRead = new Set<string>();
  /** Requests that may be on their way by now: spreads the upload over the server's lives. */
  allowance = 0;

  /** @param bearsOutages Whether a server that lives may answer 503 for a while. */
  constructor(fleet: Fleet, random: () => number, bearsOutages = false) {
    this.#bearsOutages = bearsOutages;
    this.#fleet = fleet;
    this.#random = random;
    for (const { key } of fleet.batches) this.#notes.set(key, newNotes());
  }

  /** All that was asked for so far. */
  get batches(): readonly FleetBatch[] {
    return [...this.#fleet.batches, ...this.#singles, ...this.#probes];
  }

  /** Whether a certificate of the chunk `<batch id>.<chunk number>` was downloaded. */
  hasRead(chunkId: string): boolean {
    return this.#chunksRead.has(chunkId);
  }

  batchIdOf(key: string): string | undefined {
    return this.#notes.get(key)?.batchId;
  }

  async openOrders(life: ServerLife): Promise<void> {
    for (const order of this.#fleet.orders) await this.#openOrder(life, order);
  }

  /** Uploads and reads along until all is done or the server is gone. */
  async work(life: ServerLife): Promise<void> {
    for (;;) {
      try {
        await this.#workOnce(life);
        return;
      } catch (error) {
        if (life.gone.aborted) return;
        if (!this.#bearsOutages || !isOutage(error)) {
          await untilGone(life, error);
          return;
        }
      }
      await pause(outagePauseMs, undefined, { signal: life.gone }).catch(() => undefined);
    }
  }

  async #workOnce(whole: ServerLife): Promise<void> {
    const failed = new AbortController();
    const life = { ...whole, gone: AbortSignal.any([whole.gone, failed.signal]) };
    const reading = [handledLater(this.#enrollSingles(life))];
    let before = 0;
    try {
      for (const batch of this.#fleet.batches) {
        const notes = this.#notesOf(batch);
        if (before < this.allowance) {
          if (!notes.isUploaded) await this.#find(life, batch, notes);
          reading.push(handledLater(this.#readAlong(life, batch, notes)));
          if (!notes.isUploaded) await this.#upload(life, batch, notes, before);
        }
        before += pacedRequestsOf(batch);
      }
      await Promise.all(reading);
    } finally {
      // Whoever follows a batch whose upload failed would follow it for ever.
      failed.abort();
      await Promise.allSettled(reading);
    }
  }

  /**
   * Asks for certificates of devices that nobody asked for before, each in a chunk of its own:
   * so many on the interactive lane, and one on the other. Resolves when it has them all.
   * @param lifeNow The server's present life, which may end meanwhile; undefined: give up.
   */
  async probe(interactive: number, lifeNow: () => ServerLife | undefined): Promise<void> {
    const begin = (): FleetBatch => {
      const added = probeOf(this.#probes.length);
      this.#probes.push(added);
      this.#notes.set(added.key, newNotes());
      return added;
    };
    const bulk = begin();
    const singles = Array.from({ length: interactive }, begin);
    await Promise.all([
      this.#overLives(lifeNow, async (life) => {
        const notes = this.#notesOf(bulk);
        if (!notes.isUploaded) await this.#upload(life, bulk, notes, -Infinity);
        await this.#download(life, notes, 0, true);
      }),
      ...singles.map((single) =>
        this.#overLives(lifeNow, async (life) => {
          const notes = this.#notesOf(single);
          while (!notes.isUploaded) await this.#enroll(life, single, notes);
        }),
      ),
    ]);
  }

  async #overLives(
    lifeNow: () => ServerLife | undefined,
    work: (life: ServerLife) => Promise<void>,
  ): Promise<void> {
    for (let life = lifeNow(); life !== undefined; life = lifeNow()) {
      try {
        await work(life);
        return;
      } catch (error) {
        if (!life.gone.aborted && !isOutage(error)) throw error;
      }
      await pause(pollMs);
    }
  }

  /**
   * Resolves once nothing can change any more, with the last word on each batch by its key.
   * @param isDrained Whether every record of the log was handled; asks the server's metrics where absent.
   * @param isStuck What is not done by now never will be: the word of now is the last one.
   */
  async finish(
    life: ServerLife,
    isDrained = async () =>
      /^certmill_log_bulk_lag_chunks 0$/m.test(await this.#text(life, '/metrics')),
    isStuck = false,
  ): Promise<Map<string, BatchAnswer>> {
    // What ended before is perhaps being delivered again.
    while (!(await isDrained())) await pause(pollMs);
    const answers = new Map<string, BatchAnswer>();
    for (const { key } of this.batches) {
      const batchId = this.batchIdOf(key);
      for (;;) {
        if (isStuck && batchId === undefined) break;
        const answer = await this.#bearing(life, () =>
          this.#json<BatchAnswer>(life, `/v1/batches/${batchId}`),
        );
        answers.set(key, answer);
        const isDone = answer.state === 'complete' || answer.state === 'cancelled';
        if (isStuck || (isDone && answer.counters.inFlight === 0)) break;
        await pause(pollMs);
      }
    }
    return answers;
  }

  /** Downloads every certificate of the batches that it knows once more. */
  async downloadAll(life: ServerLife): Promise<void> {
    for (const batch of this.batches) {
      const notes = this.#notesOf(batch);
      if (notes.batchId === undefined) continue;
      await this.#bearing(life, () => this.#download(life, notes, 0, false));
    }
  }

  /** Asks again while what the server depends on is away. */
  async #bearing<T>(life: ServerLife, ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!this.#bearsOutages || !isOutage(error) || life.gone.aborted) throw error;
      }
      await pause(outagePauseMs);
    }
  }

  /** Asks for each single certificate, one of them new, until it is told. */
  async #enrollSingles(life: ServerLife): Promise<void> {
    const added = singleEnrolment(this.#singles.length);
    this.#singles.push(added);
    this.#notes.set(added.key, newNotes());
    // Not at once: most kills are to meet the chunks of bulk uploads.
    await pause(this.#random() * maxEnrolDelayMs, undefined, { signal: life.gone });
    for (const single of this.#singles) {
      const notes = this.#notesOf(single);
      while (!notes.isUploaded) await this.#enroll(life, single, notes);
    }
  }

  async #enroll(life: ServerLife, single: FleetBatch, notes: BatchNotes): Promise<void> {
    const path = `/v1/orders/${single.orderId}/certificates?deviceId=${single.key}`;
    const response = await this.#call(life, 'POST', path, {
      headers: {
        'content-type': 'application/pkcs10',
        'idempotency-key': single.key,
        accept: 'application/json',
      },
      body: csrOfRequest(single.requests[0]!),
    });
    // Not in time: it may be behind a chunk that is stuck.
    if (response.status === 202) {
      await response.arrayBuffer();
      return;
    }
    await assertStatus(response, 201);
    const enrolled = (await response.json()) as Omit<CertificateLine, 'chunk' | 'index'> & {
      readonly batchId: string;
    };
    notes.batchId = enrolled.batchId;
    this.#keep(enrolled.batchId, notes, { ...enrolled, chunk: 0, index: 0 });
    const answer = await this.#json<BatchAnswer>(life, `/v1/batches/${enrolled.batchId}`);
    this.acknowledged.set(single.key, answer);
    notes.isUploaded = true;
  }

  async #openOrder(life: ServerLife, order: FleetOrder): Promise<void> {
    const { orderId, quota, allowList } = order;
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
    const requiresAllowList = allowList !== undefined;
    const body = { orderId, profile: 'tls-client', quota, requiresAllowList, expiresAt };
    const opened = await this.#call(life, 'POST', '/v1/orders', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    await assertStatus(opened, 201);
    if (allowList === undefined) return;
    const listed = await this.#call(life, 'PUT', `/v1/orders/${orderId}/devices`, {
      headers: { 'content-type': 'text/csv' },
      body: `deviceId\n${allowList.join('\n')}\n`,
    });
    await assertStatus(listed, 200);
  }

  /** Asks for the batch of the Idempotency-Key, which is there once an upload began. */
  async #find(life: ServerLife, batch: FleetBatch, notes: BatchNotes): Promise<void> {
    const query = `idempotencyKey=${batch.key}`;
    const path = `/v1/orders/${batch.orderId}/batches?${query}`;
    const { items } = await this.#json<{ readonly items: readonly BatchAnswer[] }>(life, path);
    const [found] = items;
    if (found === undefined) {
      if (notes.batchId !== undefined) {
        this.contradictions.push(`batch ${batch.key} was told of before and is not there`);
      }
      return;
    }
    if (notes.batchId !== undefined && notes.batchId !== found.batchId) {
      this.contradictions.push(`batch ${batch.key} has another id than before`);
    }
    notes.batchId = found.batchId;
  }

  /** For an upload that is under way: its batch is there soon. */
  async #findAtLast(life: ServerLife, batch: FleetBatch, notes: BatchNotes): Promise<void> {
    while (notes.batchId === undefined) {
      await pause(pollMs, undefined, { signal: life.gone });
      await this.#find(life, batch, notes);
    }
  }

  async #upload(
    life: ServerLife,
    batch: FleetBatch,
    notes: BatchNotes,
    before: number,
  ): Promise<void> {
    const resumeAt = notes.batchId === undefined ? 0 : await this.#nextIndex(life, notes.batchId);
    // Sending all of it again must do as well as resuming.
    const firstIndex = this.#random() < 0.3 ? 0 : resumeAt;
    const path = `/v1/orders/${batch.orderId}/batches?firstIndex=${firstIndex}`;
    const response = await this.#call(life, 'POST', path, {
      headers: { 'content-type': 'application/x-ndjson', 'idempotency-key': batch.key },
      body: ReadableStream.from(this.#linesOf(life, batch, notes, before, firstIndex)),
    });
    if (response.status === 409 && notes.isCancelAsked) {
      await response.arrayBuffer();
      await this.#cancel(life, batch, notes);
      notes.isUploaded = true;
      return;
    }
    await assertStatus(response, 202);
    const answer = (await response.json()) as BatchAnswer;
    this.acknowledged.set(batch.key, answer);
    notes.batchId = answer.batchId;
    notes.isUploaded = true;
  }

  async *#linesOf(
    life: ServerLife,
    batch: FleetBatch,
    notes: BatchNotes,
    before: number,
    firstIndex: number,
  ): AsyncGenerator<Uint8Array> {
    const { requests, cancelAt } = batch;
    for (let i = firstIndex; i < requests.length; i += linesPerWrite) {
      const paced = before + Math.min(i, pacedRequestsOf(batch) - 1);
      while (paced >= this.allowance) await pause(pollMs, undefined, { signal: life.gone });
      if (cancelAt !== undefined && i >= cancelAt) await this.#cancel(life, batch, notes);
      const lines = requests.slice(i, i + linesPerWrite).map(({ line }) => line);
      yield Buffer.from(lines.join(''));
    }
  }

  async #cancel(life: ServerLife, batch: FleetBatch, notes: BatchNotes): Promise<void> {
    if (notes.isCancelled) return;
    await this.#findAtLast(life, batch, notes);
    notes.isCancelAsked = true;
    const response = await this.#call(life, 'DELETE', `/v1/batches/${notes.batchId}`);
    await assertStatus(response, 202);
    await response.arrayBuffer();
    notes.isCancelled = true;
  }

  async #nextIndex(life: ServerLife, batchId: string): Promise<number> {
    return (await this.#json<BatchAnswer>(life, `/v1/batches/${batchId}`)).nextIndex;
  }

  /** Follows the batch from a little before where the last life got to. */
  async #readAlong(life: ServerLife, batch: FleetBatch, notes: BatchNotes): Promise<void> {
    await this.#findAtLast(life, batch, notes);
    await this.#download(life, notes, Math.max(0, notes.lastChunk - chunksReadAgain), true);
  }

  async #download(
    life: ServerLife,
    notes: BatchNotes,
    firstChunk: number,
    follow: boolean,
  ): Promise<void> {
    const { batchId } = notes;
    const query = `format=ndjson&follow=${follow}&firstChunk=${firstChunk}`;
    const response = await this.#call(life, 'GET', `/v1/batches/${batchId}/certificates?${query}`);
    await assertStatus(response, 200);
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const lines = `${text}${part}`.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#keep(batchId!, notes, JSON.parse(line) as CertificateLine);
    }
  }

  #keep(batchId: string, notes: BatchNotes, line: CertificateLine): void {
    const id = `${batchId}/${line.index}`;
    const before = this.certificates.get(id);
    if (before === undefined) this.certificates.set(id, line.certificate);
    else if (before !== line.certificate) {
      this.contradictions.push(`certificate ${id} is not the one that was downloaded before`);
    }
    this.#chunksRead.add(`${batchId}.${line.chunk}`);
    notes.lastChunk = Math.max(notes.lastChunk, line.chunk);
  }

  #notesOf({ key }: FleetBatch): BatchNotes {
    return this.#notes.get(key)!;
  }

  async #json<T>(life: ServerLife, path: string): Promise<T> {
    return JSON.parse(await this.#text(life, path)) as T;
  }

  async #text(life: ServerLife, path: string): Promise<string> {
    const response = await this.#call(life, 'GET', path);
    await assertStatus(response, 200);
    return response.text();
  }

  #call(life: ServerLife, method: string, path: string, init: CallOptions = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${life.key}`, ...init.headers };
    const options = { ...init, method, headers, signal: life.gone, duplex: 'half' };
    return fetch(life.url + path, options as RequestInit);
  }
}

function newNotes(): BatchNotes {
  return { isUploaded: false, isCancelAsked: false, isCancelled: false, lastChunk: 0 };
}

/** Whoever awaits it still gets its failure, which may come first. */
export function handledLater(work: Promise<void>): Promise<void> {
  work.catch(() => undefined);
  return work;
}

class UnexpectedStatus extends Error {
  readonly status: number;

  constructor(response: Response, text: string) {
    super(`${response.url}: ${response.status} ${text}`);
    this.status = response.status;
  }
}

async function assertStatus(response: Response, status: number): Promise<void> {
  if (response.status === status) return;
  throw new UnexpectedStatus(response, await response.text());
}

/**
 * What a server says, or does to a connection, while what it depends on is away; 408 where the client
 * itself held an upload back for too long, 429 where its calls before wait for that. A client goes on later
 * where it was.
 */
function isOutage(error: unknown): boolean {
  if (error instanceof UnexpectedStatus) return [408, 429, 503].includes(error.status);
  return error instanceof TypeError;
}

/** A call failed: right where the server is dying, wrong where it lives on. */
async function untilGone(life: ServerLife, cause: unknown): Promise<void> {
  const died = AbortSignal.any([life.gone, AbortSignal.timeout(20_000)]);
  await new Promise<void>((resolve) => died.addEventListener('abort', () => resolve()));
  if (!life.gone.aborted) throw cause;
}
