import { randomUUID } from 'node:crypto';
import { Controller, Get, Headers, Inject, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  CertmillError,
  isOnHold,
  type CertificateStatus,
  type Credential,
  type RevocationReason,
} from '@certmill/domain';
import { pemEncode } from '@certmill/der';
import {
  enroll,
  findByDevice,
  findBySerialNumber,
  findByUdid,
  serialNumberHexOf,
  type FoundCertificate,
} from '@certmill/pipeline';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Caller, Needs } from '../auth/callers.js';
import { tracesToken, type Traces } from '../observability/traces.js';
import { writeProblem } from '../problem/send-problem.js';
import { rejectionProblem } from '../problem/to-problem.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { EnrolmentSlots } from './call-slots.js';
import { HttpConfigHolder } from './http-config.js';
import { orderOf } from './orders.controller.js';
import { parseWith } from './parse-with.js';
import { deviceQuerySchema, findQuerySchema } from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { Stopping } from './stopping.js';
import { submittedRequest } from './submitted-request.js';

/** One certificate at a time: the interactive lane, and look-ups. */
@Controller('v1')
export class CertificatesController {
  readonly #services: IssuanceServices;
  readonly #slots: EnrolmentSlots;
  readonly #config: HttpConfigHolder;
  readonly #stopping: Stopping;
  readonly #traces: Traces;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(EnrolmentSlots) slots: EnrolmentSlots,
    @Inject(HttpConfigHolder) config: HttpConfigHolder,
    @Inject(Stopping) stopping: Stopping,
    @Inject(tracesToken) traces: Traces,
  ) {
    this.#services = services;
    this.#traces = traces;
    this.#slots = slots;
    this.#config = config;
    this.#stopping = stopping;
  }

  @Post('orders/:orderId/certificates')
  @Needs('batches:write')
  @Describes(routes.enroll)
  async enroll(
    @Caller() caller: Credential,
    @Param('orderId') orderId: string,
    @Headers('idempotency-key') idempotencyKey: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Query() query: unknown,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const { enrolling, profiles } = this.#services;
    const { limits, enrollDeadlineMs } = this.#config.value;
    const { deviceId } = parseWith(deviceQuerySchema, query);
    const order = await orderOf(this.#services, caller, orderId);
    const stopping = this.#stopping.signal;
    using held = new DisposableStack();
    held.use(this.#slots.take(caller.tenant));
    const item = await submittedRequest(request, deviceId, { ...limits, stopping });
    const profile = await profiles.get(order.tenant, order.profileHash);
    if (profile === undefined) {
      throw new CertmillError('FAULT_STORE_CORRUPT', 'the profile of the order is not stored');
    }
    if (item.rejection !== undefined) {
      writeProblem(request, reply, rejectionProblem(item.rejection, request.id));
      return;
    }
    const upload = { order, profile, idempotencyKey: idempotencyKey ?? randomUUID() };
    const span = this.#traces.ingest('enroll', {
      traceparent,
      tenant: order.tenant,
      lane: 'interactive',
    });
    const traced = { ...upload, traceparent: span.traceparent };
    const patience = { deadlineMs: enrollDeadlineMs, signal: stopping };
    const { batch, result } = await enroll(enrolling, traced, item, patience).catch(
      (error: unknown) => {
        span.end({ error });
        throw error;
      },
    );
    span.end({ batch: batch.batchId, requests: 1 });
    void reply.header('location', `/v1/batches/${batch.batchId}`);
    if (result === undefined) {
      await reply.status(202).header('retry-after', '1').send({ batchId: batch.batchId });
      return;
    }
    if (result.certificateDer === undefined) {
      const { rejection } = result;
      const unknown = { code: 'PROCESSING_FAILED', detail: 'the request was not issued' } as const;
      writeProblem(request, reply, rejectionProblem(rejection ?? unknown, request.id));
      return;
    }
    const serialNumber = serialNumberHexOf(result.certificateDer);
    void reply.status(201).header('location', `/v1/certificates/${serialNumber}`);
    sendCertificate(reply, request.headers.accept, result.certificateDer, () => ({
      batchId: batch.batchId,
      deviceId: result.deviceId,
      serialNumber,
      certificate: pemEncode('CERTIFICATE', result.certificateDer ?? new Uint8Array()),
      chain: this.#chainPem(order.issuer),
    }));
  }

  @Get('certificates/:serialNumber')
  @Needs('certificates:read')
  @Describes(routes.showCertificate)
  async bySerialNumber(
    @Caller() caller: Credential,
    @Param('serialNumber') serialNumber: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const hex = serialNumber.replaceAll(':', '').toLowerCase();
    const found = /^[0-9a-f]{40}$/.test(hex)
      ? await findBySerialNumber(this.#services.finding, caller.tenant, Buffer.from(hex, 'hex'))
      : undefined;
    if (found === undefined) {
      throw new CertmillError('NOT_FOUND', 'there is no certificate with this serial number');
    }
    sendCertificate(
      reply,
      request.headers.accept ?? 'application/json',
      found.result.certificateDer,
      () => this.#view(found),
    );
  }

  @Get('certificates')
  @Needs('certificates:read')
  @Describes(routes.findCertificates)
  async find(
    @Caller() caller: Credential,
    @Query() query: unknown,
  ): Promise<{ items: readonly CertificateView[] }> {
    const { udid, deviceId } = parseWith(findQuerySchema, query);
    const { finding } = this.#services;
    if ((udid === undefined) === (deviceId === undefined)) {
      throw new CertmillError('INVALID_INPUT', 'look up by either udid or deviceId');
    }
    const found =
      udid === undefined
        ? await findByDevice(finding, caller.tenant, deviceId ?? '')
        : await findByUdid(finding, caller.tenant, Buffer.from(udid, 'hex'));
    return { items: found.map((one) => this.#view(one)) };
  }

  #view(found: FoundCertificate): CertificateView {
    const issuerRevoked = this.#services.revocationOf(found.issuer)?.reason;
    return {
      serialNumber: serialNumberHexOf(found.result.certificateDer),
      batchId: found.batchId,
      index: found.result.index,
      deviceId: found.result.deviceId,
      ...statusView(found.status),
      ...(issuerRevoked === undefined ? {} : { issuerRevoked }),
      certificate: pemEncode('CERTIFICATE', found.result.certificateDer),
    };
  }

  #chainPem(issuer: string): readonly string[] {
    return (this.#services.chainOf(issuer) ?? []).map((der) => pemEncode('CERTIFICATE', der));
  }
}

/** Of a certificate that is revoked or on hold. */
export interface RevocationView {
  readonly reason: RevocationReason;
  readonly revokedAt: string;
  readonly invalidityDate?: string;
}

/** A certificate as clients see it. */
export interface CertificateView {
  readonly serialNumber: string;
  readonly batchId: string;
  readonly index: number;
  readonly deviceId: string;
  readonly status: 'good' | 'held' | 'revoked';
  readonly revocation?: RevocationView;
  /** Why its issuer, or a CA above it, is revoked, whatever its own status is. */
  readonly issuerRevoked?: string;
  readonly certificate: string;
}

function statusView(status: CertificateStatus): Pick<CertificateView, 'status' | 'revocation'> {
  if (status.state === 'good') return { status: 'good' };
  const { reason, atMs, invalidityDateMs } = status;
  return {
    status: isOnHold(status) ? 'held' : 'revoked',
    revocation: {
      reason,
      revokedAt: new Date(atMs).toISOString(),
      ...(invalidityDateMs === undefined
        ? {}
        : { invalidityDate: new Date(invalidityDateMs).toISOString() }),
    },
  };
}

/** PEM unless the client asks for DER (`application/pkix-cert`, RFC 2585) or JSON. */
function sendCertificate(
  reply: FastifyReply,
  accept: string | undefined,
  der: Uint8Array,
  view: () => object,
): void {
  if (accept?.includes('application/json') === true) {
    void reply.type('application/json').send(JSON.stringify(view()));
  } else if (accept?.includes('application/pkix-cert') === true) {
    void reply.type('application/pkix-cert').send(Buffer.from(der));
  } else {
    void reply.type('application/pem-certificate-chain').send(pemEncode('CERTIFICATE', der));
  }
}
