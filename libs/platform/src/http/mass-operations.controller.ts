import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query, Res } from '@nestjs/common';
import type { Credential, MassSelection, MassWork } from '@certmill/domain';
import {
  beginOperation,
  controlOperation,
  listMassDevices,
  listMassResults,
  noSuchOperation,
  previewOperation,
  reissuedCounts,
  type MassCallPorts,
  type MassControl,
} from '@certmill/pipeline';
import type { FastifyReply } from 'fastify';
import type { z } from 'zod';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { actorOf } from './audit-notes.js';
import { newMassOperationSchema } from './bodies.js';
import { WalkSlots } from './call-slots.js';
import { demandApproval } from './demand-approval.js';
import {
  foreseenOperationView,
  massDeviceView,
  massOperationView,
  massResultView,
  type MassDeviceView,
  type MassOperationView,
  type MassResultView,
} from './mass-operation-view.js';
import { pageOf, pageRequestOf, type PageView } from './pages.js';
import { parseWith } from './parse-with.js';
import { massDeviceQuerySchema, massResultQuerySchema, pageQuerySchema } from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { Stopping } from './stopping.js';
import { untilClosed } from './until-closed.js';

const defaultOrderMs = 90 * 86_400_000;

/** Jobs over many certificates: revoked or issued once more, in the background. */
@Controller('v1/operations')
export class MassOperationsController {
  readonly #services: IssuanceServices;
  readonly #walks: WalkSlots;
  readonly #stopping: Stopping;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(WalkSlots) walks: WalkSlots,
    @Inject(Stopping) stopping: Stopping,
  ) {
    this.#services = services;
    this.#walks = walks;
    this.#stopping = stopping;
  }

  @Post()
  @HttpCode(202)
  @Needs('operations:write')
  @Describes(routes.beginOperation)
  async begin(
    @Caller() caller: Credential,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<MassOperationView> {
    const asked = parseWith(newMassOperationSchema, body);
    const { mass, clock, gate } = this.#services;
    const { ratePerSecond, approvals, propose, dryRun, ...content } = asked;
    const { tenant } = caller;
    const operation = {
      kind: asked.kind === 'revoke' ? 'mass-revocation' : 'mass-reissue',
      parameters: { call: 'POST /v1/operations', tenant, ratePerSecond, ...content },
    } as const;
    if (propose) await gate.propose(operation);
    const useId = `mass-operation ${tenant} ${asked.operationId}`;
    const wanted = {
      tenant,
      operationId: asked.operationId,
      actor: actorOf(caller),
      selection: selectionOf(asked),
      work: await this.#workOf(caller, asked),
      ...(ratePerSecond === undefined ? {} : { ratePerSecond }),
      beforeBegun: () => demandApproval(this.#services, caller, operation, { approvals, useId }),
    };
    if (dryRun) {
      const signal = untilClosed(reply, this.#walks.take(tenant));
      const foreseen = await previewOperation(mass, wanted, signal);
      return foreseenOperationView(foreseen, clock.nowMs());
    }
    // Also where the client hangs up it begins.
    using held = new DisposableStack();
    held.use(this.#walks.take(tenant));
    return massOperationView(await beginOperation(this.#mass, wanted), clock.nowMs());
  }

  @Get()
  @Needs('operations:read')
  @Describes(routes.listOperations)
  async list(
    @Caller() caller: Credential,
    @Query() query: unknown,
  ): Promise<PageView<MassOperationView>> {
    const { mass, clock } = this.#services;
    const page = pageRequestOf(parseWith(pageQuerySchema, query));
    const { items, next } = await mass.operations.listOperations(caller.tenant, page);
    return pageOf(
      items.map((operation) => massOperationView(operation, clock.nowMs())),
      next,
    );
  }

  @Get(':operationId')
  @Needs('operations:read')
  @Describes(routes.showOperation)
  async show(
    @Caller() { tenant }: Credential,
    @Param('operationId') operationId: string,
  ): Promise<MassOperationView> {
    const { mass, clock } = this.#services;
    const operation = await mass.operations.getOperation(tenant, operationId);
    if (operation === undefined) throw noSuchOperation(operationId);
    if (operation.work.kind === 'revoke') return massOperationView(operation, clock.nowMs());
    // What was uploaded goes on by itself, also under an operation that was paused or cancelled.
    const ended = await reissuedCounts(mass, tenant, operationId);
    const { issued, rejected, deadLettered } = ended;
    const counts = { ...operation.counts, issued, rejected, deadLettered };
    return massOperationView({ ...operation, counts }, clock.nowMs());
  }

  @Get(':operationId/devices')
  @Needs('operations:read')
  @Describes(routes.listOperationDevices)
  async devices(
    @Caller() { tenant }: Credential,
    @Param('operationId') operationId: string,
    @Query() query: unknown,
  ): Promise<PageView<MassDeviceView>> {
    const { mass } = this.#services;
    const { state, ...page } = parseWith(massDeviceQuerySchema, query);
    const operation = await mass.operations.getOperation(tenant, operationId);
    if (operation === undefined) throw noSuchOperation(operationId);
    using held = new DisposableStack();
    held.use(this.#walks.take(tenant));
    const { items, next } = await listMassDevices(mass, operation, pageRequestOf(page), state);
    return pageOf(items.map(massDeviceView), next);
  }

  @Get(':operationId/results')
  @Needs('operations:read')
  @Describes(routes.listOperationResults)
  async results(
    @Caller() { tenant }: Credential,
    @Param('operationId') operationId: string,
    @Query() query: unknown,
  ): Promise<PageView<MassResultView>> {
    const { mass } = this.#services;
    const { outcome, ...page } = parseWith(massResultQuerySchema, query);
    const operation = await mass.operations.getOperation(tenant, operationId);
    if (operation === undefined) throw noSuchOperation(operationId);
    const { items, next } = await listMassResults(mass, operation, pageRequestOf(page), outcome);
    return pageOf(items.map(massResultView), next);
  }

  @Post(':operationId/pause')
  @HttpCode(200)
  @Needs('operations:write')
  @Describes(routes.pauseOperation)
  pause(
    @Caller() caller: Credential,
    @Param('operationId') operationId: string,
  ): Promise<MassOperationView> {
    return this.#control(caller, operationId, 'pause');
  }

  @Post(':operationId/resume')
  @HttpCode(200)
  @Needs('operations:write')
  @Describes(routes.resumeOperation)
  resume(
    @Caller() caller: Credential,
    @Param('operationId') operationId: string,
  ): Promise<MassOperationView> {
    return this.#control(caller, operationId, 'resume');
  }

  @Post(':operationId/cancel')
  @HttpCode(200)
  @Needs('operations:write')
  @Describes(routes.cancelOperation)
  cancel(
    @Caller() caller: Credential,
    @Param('operationId') operationId: string,
  ): Promise<MassOperationView> {
    return this.#control(caller, operationId, 'cancel');
  }

  get #mass(): MassCallPorts {
    return { ...this.#services.mass, stopping: this.#stopping.signal };
  }

  async #workOf({ tenant }: Credential, asked: Asked): Promise<MassWork> {
    if (asked.kind !== 'revoke') {
      const { kind, issuer, profile, expiresAt, operationId } = asked;
      const expiresAtMs =
        expiresAt === undefined
          ? await this.#defaultExpiry(tenant, operationId)
          : Date.parse(expiresAt);
      return { kind, issuer, profileName: profile, expiresAtMs };
    }
    const { kind, reason, invalidityDate } = asked;
    const lost =
      invalidityDate === undefined ? {} : { invalidityDateMs: Date.parse(invalidityDate) };
    return { kind, reason, ...lost };
  }

  /** Of the operation that was begun under the name, where one was: asking again is the same. */
  async #defaultExpiry(tenant: string, operationId: string): Promise<number> {
    const { mass, clock } = this.#services;
    const begun = await mass.operations.getOperation(tenant, operationId);
    return begun !== undefined && begun.work.kind !== 'revoke'
      ? begun.work.expiresAtMs
      : clock.nowMs() + defaultOrderMs;
  }

  async #control(
    caller: Credential,
    operationId: string,
    control: MassControl,
  ): Promise<MassOperationView> {
    const actor = actorOf(caller);
    const { tenant } = caller;
    const operation = await controlOperation(this.#mass, actor, tenant, operationId, control);
    return massOperationView(operation, this.#services.clock.nowMs());
  }
}

type Asked = z.output<typeof newMassOperationSchema>;

function selectionOf({ selection }: Asked): MassSelection {
  const { orderId, batchId, site, profile, issuer, renewedBy } = selection;
  return {
    ...(renewedBy === undefined ? {} : { renewedBy }),
    ...(orderId === undefined ? {} : { orderId }),
    ...(batchId === undefined ? {} : { batchId }),
    ...(site === undefined ? {} : { site }),
    ...(profile === undefined ? {} : { profileName: profile }),
    ...(issuer === undefined ? {} : { issuer }),
  };
}
