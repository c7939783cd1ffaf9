import type { z } from 'zod';
import { notOurServer, type Call, type HttpClient } from './http-client.js';
import type { Patience } from './retry.js';
import { ServerError } from './server-error.js';
import {
  auditEntrySchema,
  batchSchema,
  calendarSchema,
  certificateSchema,
  crlStateSchema,
  changesSchema,
  credentialSchema,
  deadLetterSchema,
  demandedCrlsSchema,
  importSchema,
  issuerSchema,
  massDeviceSchema,
  massResultSchema,
  massOperationSchema,
  orderSchema,
  pageOf,
  profileSchema,
  settledSchema,
  type AuditEntryView,
  type BatchView,
  type CalendarView,
  type CertificateView,
  type CrlStateView,
  type ChangesView,
  type CredentialView,
  type DeadLetterView,
  type DemandedCrlsView,
  type IssuerView,
  type MassDeviceView,
  type MassResultView,
  type MassOperationView,
  type OrderView,
  type ProfileView,
  type SettledView,
} from './views.js';

export interface NewOrder {
  readonly orderId: string;
  readonly profile: string;
  readonly issuer?: string;
  readonly quota: number;
  /** ISO 8601 with offset. */
  readonly expiresAt: string;
  readonly requiresAllowList: boolean;
  readonly renews?: boolean;
}

/** Which certificates, and what becomes of them; as `POST /v1/revocations` takes it. */
export interface NewRevocations {
  readonly serialNumbers?: readonly string[];
  readonly udids?: readonly string[];
  readonly deviceIds?: readonly string[];
  readonly batchId?: string;
  readonly orderId?: string;
  readonly issuer?: string;
  readonly reason?: string;
  readonly invalidityDate?: string;
  readonly release?: boolean;
  readonly dryRun?: boolean;
}

/** Certificates that meet every part given. */
export interface MassSelection {
  readonly orderId?: string;
  readonly batchId?: string;
  readonly site?: string;
  readonly profile?: string;
  readonly issuer?: string;
  readonly renewedBy?: string;
}

/** Of a call that an installation with a quorum wants approved. */
export interface CallApprovals {
  readonly approvals?: readonly unknown[];
  /** True: nothing is done, and the call fails with what is to be approved (`ServerError.proposed`). */
  readonly propose?: true;
}

/** As `POST /v1/operations` takes it. */
export interface NewMassOperation {
  readonly operationId: string;
  readonly selection: MassSelection;
  readonly work:
    | { readonly kind: 'revoke'; readonly reason: string; readonly invalidityDate?: string }
    | {
        readonly kind: 'reissue' | 'renew';
        readonly issuer: string;
        readonly profile: string;
        readonly expiresAt?: string;
      };
  readonly ratePerSecond?: number;
  readonly dryRun: boolean;
}

export interface UploadCall {
  readonly orderId: string;
  readonly idempotencyKey: string;
  /** The index of the first request of the body. */
  readonly firstIndex: number;
  /** NDJSON. */
  readonly body: AsyncIterable<Uint8Array>;
}

const jsonBody = { 'content-type': 'application/json' } as const;

/** The calls of a Certmill server, typed. Failures: see HttpClient. */
export class IssuanceClient implements Disposable {
  readonly #http: HttpClient;

  constructor(http: HttpClient) {
    this.#http = http;
  }

  /** For a task that makes several tries of its own. */
  patience(): Patience {
    return this.#http.patience();
  }

  createOrder(order: NewOrder): Promise<OrderView> {
    const body = JSON.stringify(order);
    return this.#ask(orderSchema, { method: 'POST', path: '/v1/orders', headers: jsonBody, body });
  }

  getOrder(orderId: string): Promise<OrderView> {
    return this.#ask(orderSchema, { method: 'GET', path: orderPath(orderId) });
  }

  /** Closing twice is closing once. */
  closeOrder(orderId: string): Promise<OrderView> {
    const path = `${orderPath(orderId)}/close`;
    return this.#ask(orderSchema, { method: 'POST', path, isRepeatable: true });
  }

  listOrders(): Promise<OrderView[]> {
    return this.#all(orderSchema, '/v1/orders');
  }

  /**
   * @param days from now; everything where absent.
   * @param toRenewDays within which it is looked for what devices are to renew; it is not where absent.
   */
  calendar(days?: number, toRenewDays?: number): Promise<CalendarView> {
    const query = new URLSearchParams();
    if (days !== undefined) query.set('days', String(days));
    if (toRenewDays !== undefined) query.set('toRenewDays', String(toRenewDays));
    const path = `/v1/calendar${query.size === 0 ? '' : `?${query.toString()}`}`;
    return this.#ask(calendarSchema, { method: 'GET', path });
  }

  /** Replaces the allow-list. One try: the stream cannot be read twice. */
  async importDevices(
    orderId: string,
    mediaType: 'text/csv' | 'application/x-ndjson',
    stream: AsyncIterable<Uint8Array>,
  ): Promise<number> {
    const answer = await this.#ask(importSchema, {
      method: 'PUT',
      path: `${orderPath(orderId)}/devices`,
      headers: { 'content-type': mediaType },
      stream,
    });
    return answer.devices;
  }

  /** The batch of an upload that was begun under the key, if there is one. */
  async findBatch(orderId: string, idempotencyKey: string): Promise<BatchView | undefined> {
    const path = `${orderPath(orderId)}/batches`;
    const query = { idempotencyKey };
    return (await this.#ask(pageOf(batchSchema), { method: 'GET', path, query })).items[0];
  }

  /** One try; see `uploadResumed`. */
  upload(call: UploadCall): Promise<BatchView> {
    return this.#ask(batchSchema, {
      method: 'POST',
      path: `${orderPath(call.orderId)}/batches`,
      query: { firstIndex: call.firstIndex },
      headers: {
        'content-type': 'application/x-ndjson',
        'idempotency-key': call.idempotencyKey,
      },
      stream: call.body,
    });
  }

  listBatches(orderId: string): Promise<BatchView[]> {
    return this.#all(batchSchema, `${orderPath(orderId)}/batches`);
  }

  /** The certificate of a CA that the server publishes, DER. */
  async caCertificate(name: string): Promise<Uint8Array> {
    const patience = this.patience();
    const call = { method: 'GET', path: `/ca/${encodeURIComponent(name)}.cer` } as const;
    for (;;) {
      try {
        return Buffer.concat(await Array.fromAsync(this.#http.bytes(call)));
      } catch (error) {
        await patience.wait(error, true);
      }
    }
  }

  /**
   * What the server takes under an issuer, by whichever of several answers a new connection; undefined where it
   * shows none of the name to this tenant.
   */
  async findIssuer(issuer: string): Promise<IssuerView | undefined> {
    const path = `/v1/issuers/${encodeURIComponent(issuer)}`;
    try {
      return await this.#ask(issuerSchema, { method: 'GET', path, isFresh: true });
    } catch (error) {
      if (error instanceof ServerError && error.shownCode === 'NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** How far the CRLs of an issuer are behind what was revoked. */
  crlState(issuer: string): Promise<CrlStateView> {
    return this.#ask(crlStateSchema, { method: 'GET', path: crlsPath(issuer) });
  }

  /** Has the server make new CRLs of an issuer; asked again before they are made it adds nothing. */
  demandCrls(issuer: string, kind: DemandedCrlsView['kind']): Promise<DemandedCrlsView> {
    return this.#ask(demandedCrlsSchema, {
      method: 'POST',
      path: crlsPath(issuer),
      headers: jsonBody,
      body: JSON.stringify({ kind }),
      isRepeatable: true,
    });
  }

  getBatch(batchId: string): Promise<BatchView> {
    return this.#ask(batchSchema, { method: 'GET', path: batchPath(batchId) });
  }

  cancelBatch(batchId: string): Promise<BatchView> {
    return this.#ask(batchSchema, { method: 'DELETE', path: batchPath(batchId) });
  }

  listDeadLetters(batchId: string): Promise<DeadLetterView[]> {
    return this.#all(deadLetterSchema, `${batchPath(batchId)}/dead-letters`);
  }

  /** Settling twice is settling once. */
  settleDeadLetter(batchId: string, chunk: number, action: 'retry' | 'drop'): Promise<SettledView> {
    const path = `${batchPath(batchId)}/dead-letters/${String(chunk)}/${action}`;
    return this.#ask(settledSchema, { method: 'POST', path, isRepeatable: true });
  }

  /** One try. The events of a batch as they come. */
  batchEvents(batchId: string): AsyncGenerator<Buffer> {
    return this.#http.bytes({
      method: 'GET',
      path: `${batchPath(batchId)}/events`,
      headers: { accept: 'text/event-stream' },
    });
  }

  /** One try. NDJSON or what the query's `format` says. */
  batchResults(
    batchId: string,
    kind: 'certificates' | 'rejections',
    query: Call['query'] = {},
  ): AsyncGenerator<Buffer> {
    return this.#http.bytes({
      method: 'GET',
      path: `${batchPath(batchId)}/${kind}`,
      query,
      headers: { accept: 'application/x-ndjson' },
    });
  }

  /** One try. NDJSON; waits for the end of the batch. */
  batchManifest(batchId: string): AsyncGenerator<Buffer> {
    return this.#http.bytes({
      method: 'GET',
      path: `${batchPath(batchId)}/manifest`,
      query: { follow: true },
      headers: { accept: 'application/x-ndjson' },
    });
  }

  async findCertificates(
    by: { readonly deviceId: string } | { readonly udid: string },
  ): Promise<readonly CertificateView[]> {
    const call = { method: 'GET', path: '/v1/certificates', query: { ...by } } as const;
    return (await this.#ask(pageOf(certificateSchema), call)).items;
  }

  /** Twice does what once does; but approvals are for one call. */
  revokeCertificates(
    revocations: NewRevocations,
    approved: CallApprovals = {},
  ): Promise<ChangesView> {
    return this.#ask(changesSchema, {
      method: 'POST',
      path: '/v1/revocations',
      headers: jsonBody,
      body: JSON.stringify({ ...revocations, ...approved }),
      isRepeatable: approved.approvals === undefined,
    });
  }

  /** Twice is once: the name is the operation's. */
  beginOperation(
    { work, ...operation }: NewMassOperation,
    approved: CallApprovals = {},
  ): Promise<MassOperationView> {
    return this.#ask(massOperationSchema, {
      method: 'POST',
      path: '/v1/operations',
      headers: jsonBody,
      body: JSON.stringify({ ...operation, ...work, ...approved }),
      isRepeatable: true,
    });
  }

  listOperations(): Promise<MassOperationView[]> {
    return this.#all(massOperationSchema, '/v1/operations');
  }

  getOperation(name: string): Promise<MassOperationView> {
    return this.#ask(massOperationSchema, { method: 'GET', path: operationPath(name) });
  }

  /** Of a reissue or renewal; page by page. */
  operationDevices(name: string, state?: string): AsyncGenerator<MassDeviceView> {
    return this.#each(massDeviceSchema, `${operationPath(name)}/devices`, { state });
  }

  /** What became of each certificate; page by page. */
  operationResults(name: string, outcome?: string): AsyncGenerator<MassResultView> {
    return this.#each(massResultSchema, `${operationPath(name)}/results`, { outcome });
  }

  controlOperation(
    name: string,
    control: 'pause' | 'resume' | 'cancel',
  ): Promise<MassOperationView> {
    const path = `${operationPath(name)}/${control}`;
    return this.#ask(massOperationSchema, { method: 'POST', path, isRepeatable: true });
  }

  async listAudit(page: {
    readonly limit: number;
    readonly after?: number;
  }): Promise<readonly AuditEntryView[]> {
    const call = { method: 'GET', path: '/v1/audit', query: { ...page } } as const;
    return (await this.#ask(pageOf(auditEntrySchema), call)).items;
  }

  listProfiles(): Promise<ProfileView[]> {
    return this.#all(profileSchema, '/v1/profiles');
  }

  /** Twice is once. */
  addProfile(yaml: string, approved: CallApprovals = {}): Promise<ProfileView> {
    const isPlain = Object.keys(approved).length === 0;
    return this.#ask(profileSchema, {
      method: 'POST',
      path: '/v1/profiles',
      headers: isPlain ? { 'content-type': 'application/yaml' } : jsonBody,
      body: isPlain ? yaml : JSON.stringify({ yaml, ...approved }),
      isRepeatable: true,
    });
  }

  async createTenant(tenant: string): Promise<void> {
    const body = JSON.stringify({ tenant });
    await this.#http.json({ method: 'POST', path: '/v1/tenants', headers: jsonBody, body });
  }

  addCredential(tenant: string, role: string, label: string): Promise<CredentialView> {
    return this.#ask(credentialSchema, {
      method: 'POST',
      path: `/v1/tenants/${encodeURIComponent(tenant)}/credentials`,
      headers: jsonBody,
      body: JSON.stringify({ role, label }),
    });
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }

  async #all<Item extends z.ZodType>(item: Item, path: string): Promise<z.output<Item>[]> {
    return Array.fromAsync(this.#each(item, path));
  }

  async *#each<Item extends z.ZodType>(
    item: Item,
    path: string,
    filter: Readonly<Record<string, string | undefined>> = {},
  ): AsyncGenerator<z.output<Item>> {
    let cursor: string | undefined;
    do {
      const query = { ...filter, limit: 1_000, cursor };
      const page = await this.#ask(pageOf(item), { method: 'GET', path, query });
      yield* page.items;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  async #ask<Schema extends z.ZodType>(schema: Schema, call: Call): Promise<z.output<Schema>> {
    const json =
      call.stream === undefined ? await this.#http.json(call) : await this.#http.jsonOnce(call);
    const parsed = schema.safeParse(json);
    if (!parsed.success) throw notOurServer(this.#http.origin, parsed.error);
    return parsed.data;
  }
}

function orderPath(orderId: string): string {
  return `/v1/orders/${encodeURIComponent(orderId)}`;
}

function crlsPath(issuer: string): string {
  return `/v1/issuers/${encodeURIComponent(issuer)}/crls`;
}

function operationPath(name: string): string {
  return `/v1/operations/${encodeURIComponent(name)}`;
}

function batchPath(batchId: string): string {
  return `/v1/batches/${encodeURIComponent(batchId)}`;
}
