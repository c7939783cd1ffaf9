import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Metrics } from '../observability/metrics.js';
import { readinessToken, type Readiness } from '../observability/readiness.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';

/** What orchestrators and scrapers ask; open, and without anything of a tenant. */
@Controller()
export class OperationsController {
  readonly #readiness: Readiness;
  readonly #metrics: Metrics;

  constructor(@Inject(readinessToken) readiness: Readiness, @Inject(Metrics) metrics: Metrics) {
    this.#readiness = readiness;
    this.#metrics = metrics;
  }

  /** The process runs. */
  @Get('healthz')
  @Describes(routes.health)
  health(): { status: string } {
    return { status: 'ok' };
  }

  /** Every stage takes work; a halted one is named. What the fault says is for the log: all may ask. */
  @Get('readyz')
  @Describes(routes.ready)
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const stages = this.#readiness.halted();
    const waitingFor = this.#readiness.waitingFor();
    if (stages.length > 0) return reply.status(503).send({ status: 'halted', stages });
    if (waitingFor.length > 0) return reply.status(503).send({ status: 'waiting', waitingFor });
    return reply.status(200).send({ status: 'ready' });
  }

  @Get('metrics')
  @Describes(routes.metrics)
  async metrics(@Res() reply: FastifyReply): Promise<void> {
    await reply.type(this.#metrics.contentType).send(await this.#metrics.text());
  }
}
