import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Inject,
  Param,
  Post,
  Query,
  Res,
} from '@nestjs/common';
import {
  CertmillError,
  statusRefusalOf,
  type CertificateChange,
  type ChainedAuditEntry,
  type Credential,
} from '@certmill/domain';
import {
  assertInvalidityDate,
  assertSelectable,
  certificateNameOf,
  changeCertificates,
  type ChangeCounts,
  type ChangedItem,
  type CertificateName,
  type Selection,
} from '@certmill/pipeline';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { actorOf } from './audit-notes.js';
import { revocationSchema, revocationsSchema } from './bodies.js';
import { WalkSlots } from './call-slots.js';
import { demandApproval } from './demand-approval.js';
import { HttpConfigHolder } from './http-config.js';
import { parseWith } from './parse-with.js';
import { auditQuerySchema } from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { untilClosed } from './until-closed.js';

/** What became of one certificate of a call. */
export interface ChangedItemView {
  readonly serialNumber?: string;
  readonly deviceId?: string;
  readonly name?: string;
  readonly outcome: ChangedItem['outcome'] | 'pending';
}

/** Of one certificate alone. */
export interface ChangedCertificateView extends ChangedItemView {
  /** Other requests with its key that are on their way, where that is compromised. */
  readonly pending: number;
}

export interface ChangesView extends ChangeCounts {
  readonly isDryRun: boolean;
  /** Requests that may still be issued, and of devices and UDIDs those that were judged meanwhile, issued or not. */
  readonly pending: number;
  /** The first of them, those behind which something is pending ahead. */
  readonly items: readonly ChangedItemView[];
}

const maxItems = 1_000;
const defaultAuditEntries = 100;

/** Changes of status: revocation, hold and release, of one certificate and of many. */
@Controller('v1')
export class RevocationsController {
  readonly #services: IssuanceServices;

  readonly #walks: WalkSlots;
  readonly #config: HttpConfigHolder;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(WalkSlots) walks: WalkSlots,
    @Inject(HttpConfigHolder) config: HttpConfigHolder,
  ) {
    this.#services = services;
    this.#walks = walks;
    this.#config = config;
  }

  @Post('certificates/:serialNumber/revocation')
  @HttpCode(200)
  @Needs('certificates:revoke')
  @Describes(routes.revokeCertificate)
  revoke(
    @Caller() caller: Credential,
    @Param('serialNumber') serialNumber: string,
    @Body() body: unknown,
  ): Promise<ChangedCertificateView> {
    const { reason, invalidityDate } = parseWith(revocationSchema, body);
    return this.#changeOne(caller, serialNumber, this.#revocation(reason, invalidityDate));
  }

  @Delete('certificates/:serialNumber/revocation')
  @HttpCode(200)
  @Needs('certificates:revoke')
  @Describes(routes.releaseCertificate)
  release(
    @Caller() caller: Credential,
    @Param('serialNumber') serialNumber: string,
  ): Promise<ChangedCertificateView> {
    return this.#changeOne(caller, serialNumber, this.#release());
  }

  @Post('revocations')
  @HttpCode(200)
  @Needs('certificates:revoke')
  @Describes(routes.revokeCertificates)
  async revokeAll(
    @Caller() caller: Credential,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ChangesView> {
    const wanted = parseWith(revocationsSchema, body);
    const { release, reason, invalidityDate, dryRun: isDryRun } = wanted;
    const change = release ? this.#release() : this.#revocation(reason, invalidityDate);
    const selection = selectionOf(wanted);
    const signal = untilClosed(reply, this.#walks.take(caller.tenant));
    const bounds = { signal, maxCertificates: this.#config.value.limits.maxRevocationsPerCall };
    if (!wanted.propose) {
      await assertSelectable(this.#services.revoking, [caller.tenant], selection, bounds);
    }
    await this.#demandApproval(caller, wanted, selection);
    const items: ChangedItemView[] = [];
    const { pendingNames, ...counts } = await changeCertificates(this.#services.revoking, {
      actor: actorOf(caller),
      tenants: [caller.tenant],
      selection,
      change,
      isDryRun,
      signal,
      onItems(changed) {
        if (items.length < maxItems) items.push(...changed.map(itemView));
      },
    });
    const pending = pendingNames.map((name) => ({ name, outcome: 'pending' }) as const);
    return { ...counts, isDryRun, items: [...pending, ...items].slice(0, maxItems) };
  }

  @Get('audit')
  @Needs('audit:read')
  @Describes(routes.listAudit)
  async audit(
    @Caller() caller: Credential,
    @Query() query: unknown,
  ): Promise<{ readonly items: readonly ChainedAuditEntry[] }> {
    const { limit = defaultAuditEntries, after = 0 } = parseWith(auditQuerySchema, query);
    const { audit, operatorTenant } = this.#services;
    if (caller.tenant !== operatorTenant) {
      throw new CertmillError('FORBIDDEN', "the audit trail is the operator's tenant's");
    }
    return { items: await audit.listAudit({ limit, after }) };
  }

  /**
   * Of what may be many, as `certmill revoke` in a data folder: all but one that is named, and looking.
   * A call that is killed may have revoked some, so what it used up is for it alone.
   */
  async #demandApproval(
    caller: Credential,
    { approvals, propose, dryRun, ...content }: z.output<typeof revocationsSchema>,
    selection: Selection,
  ): Promise<void> {
    const isOne = selection.by === 'names' && selection.names.length === 1;
    if (isOne && propose) {
      throw new CertmillError('CONFLICT', 'one certificate is revoked without approvals');
    }
    if (isOne || (dryRun && !propose)) return;
    const { tenant } = caller;
    const parameters = { call: 'POST /v1/revocations', tenant, ...content };
    const operation = { kind: 'mass-revocation', parameters } as const;
    if (propose) await this.#services.gate.propose(operation);
    await demandApproval(this.#services, caller, operation, { approvals });
  }

  async #changeOne(
    caller: Credential,
    serialNumber: string,
    change: CertificateChange,
  ): Promise<ChangedCertificateView> {
    const name = certificateNameOf('serialNumber', serialNumber);
    const items: ChangedItem[] = [];
    const { pending } =
      name === undefined
        ? { pending: 0 }
        : await changeCertificates(this.#services.revoking, {
            actor: actorOf(caller),
            tenants: [caller.tenant],
            selection: { by: 'names', names: [name] },
            change,
            onItems: (changed) => items.push(...changed),
          });
    const [item] = items;
    if (item === undefined || item.outcome === 'not-found') {
      throw new CertmillError('NOT_FOUND', 'there is no certificate with this serial number');
    }
    if (item.outcome === 'refused') {
      throw new CertmillError('CONFLICT', statusRefusalOf(change));
    }
    return { ...itemView(item), pending };
  }

  #revocation(
    reason: z.output<typeof revocationSchema>['reason'],
    invalidityDate: string | undefined,
  ): CertificateChange {
    const revokedAtMs = this.#services.clock.nowMs();
    const lost =
      invalidityDate === undefined ? {} : { invalidityDateMs: Date.parse(invalidityDate) };
    const change = { kind: 'revoke', reason, revokedAtMs, ...lost } as const;
    // Here, before approvals are used up.
    assertInvalidityDate(change, revokedAtMs);
    return change;
  }

  #release(): CertificateChange {
    return { kind: 'release', releasedAtMs: this.#services.clock.nowMs() };
  }
}

function itemView(item: ChangedItem): ChangedItemView {
  if (item.outcome === 'not-found') return { name: item.notFound, outcome: item.outcome };
  const { serialNumber, deviceId } = item.certificate;
  const hex = Buffer.from(serialNumber).toString('hex');
  return { serialNumber: hex, deviceId, outcome: item.outcome };
}

/** Exactly one way to name them. */
function selectionOf(wanted: z.output<typeof revocationsSchema>): Selection {
  const { batchId, orderId, issuer } = wanted;
  const names = [
    ...namesOf('serialNumber', wanted.serialNumbers),
    ...namesOf('udid', wanted.udids),
    ...namesOf('deviceId', wanted.deviceIds),
  ];
  const selections: Selection[] = [
    ...(names.length === 0 ? [] : [{ by: 'names', names } as const]),
    ...(batchId === undefined ? [] : [{ by: 'batch', batchId } as const]),
    ...(orderId === undefined ? [] : [{ by: 'order', orderId } as const]),
    ...(issuer === undefined ? [] : [{ by: 'issuer', issuer } as const]),
  ];
  const [selection, ...others] = selections;
  if (selection === undefined || others.length > 0) {
    throw new CertmillError(
      'INVALID_INPUT',
      'say which: a batch, an order, an issuer, or lists of serial numbers, UDIDs and device ids',
    );
  }
  return selection;
}

function namesOf(by: CertificateName['by'], texts: readonly string[]): CertificateName[] {
  return texts.map((text, i) => {
    const name = certificateNameOf(by, text);
    if (name !== undefined) return name;
    throw new CertmillError('INVALID_INPUT', `${by} ${String(i + 1)} of the list is none`);
  });
}
