import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Metrics } from '../observability/metrics.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { servicesToken, type IssuanceServices } from './services.js';

/** What orchestrators and scrapers ask; open, and without anything of a tenant. */
@Controller()
export class OperationsController {
  readonly #services: IssuanceServices;
  readonly #metrics: Metrics;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(Metrics) metrics: Metrics,
  ) {
    this.#services = services;
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
    const halted = this.#services.halted();
    await reply
      .status(halted.length === 0 ? 200 : 503)
      .send(halted.length === 0 ? { status: 'ready' } : { status: 'halted', stages: halted });
  }

  @Get('metrics')
  @Describes(routes.metrics)
  async metrics(@Res() reply: FastifyReply): Promise<void> {
    await reply.type(this.#metrics.contentType).send(await this.#metrics.text());
  }
}
