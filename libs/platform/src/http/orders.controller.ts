import {
  Body,
  Controller,
  Get,
  HttpCode,
  Inject,
  Param,
  Post,
  Put,
  Query,
  Req,
} from '@nestjs/common';
import { CertmillError, type Credential, type Order } from '@certmill/domain';
import { openOrder, readDevices } from '@certmill/pipeline';
import type { FastifyRequest } from 'fastify';
import { Caller, Needs } from '../auth/callers.js';
import { RefusedCall } from '../problem/refused-call.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { noteAudit } from './audit-notes.js';
import { newOrderSchema } from './bodies.js';
import { pageOf, pageRequestOf, type PageView } from './pages.js';
import { parseWith } from './parse-with.js';
import { pageQuerySchema } from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { mediaTypeOf } from './streamed-body.js';
import { assertContentCoding, rawBodyOf } from './uploaded-items.js';
import { UploadSlots } from './call-slots.js';
import { watchedBody } from './watched-body.js';

const deviceFormats: Readonly<Record<string, 'csv' | 'ndjson'>> = {
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
};

/** Orders and their allow-lists. */
@Controller('v1/orders')
export class OrdersController {
  readonly #services: IssuanceServices;
  readonly #slots: UploadSlots;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(UploadSlots) slots: UploadSlots,
  ) {
    this.#services = services;
    this.#slots = slots;
  }

  @Post()
  @HttpCode(201)
  @Needs('orders:write')
  @Describes(routes.createOrder)
  async create(@Caller() caller: Credential, @Body() body: unknown): Promise<OrderView> {
    const wanted = parseWith(newOrderSchema, body);
    const order = await openOrder(this.#services.opening, {
      tenant: caller.tenant,
      orderId: wanted.orderId,
      profileName: wanted.profile,
      issuer: wanted.issuer ?? this.#services.defaultIssuerOf(caller.tenant),
      quota: wanted.quota,
      requiresAllowList: wanted.requiresAllowList,
      renews: wanted.renews,
      expiresAtMs: Date.parse(wanted.expiresAt),
    });
    const { orderId, quota, issuer, profileName: profile } = order;
    await noteAudit(this.#services, caller, 'order.opened', { orderId, quota, issuer, profile });
    return this.#view(order);
  }

  @Get()
  @Needs('orders:read')
  @Describes(routes.listOrders)
  async list(@Caller() caller: Credential, @Query() query: unknown): Promise<PageView<OrderView>> {
    const page = await this.#services.orders.listOrders(
      caller.tenant,
      pageRequestOf(parseWith(pageQuerySchema, query)),
    );
    return pageOf(await Promise.all(page.items.map((order) => this.#view(order))), page.next);
  }

  @Get(':orderId')
  @Needs('orders:read')
  @Describes(routes.showOrder)
  async show(@Caller() caller: Credential, @Param('orderId') orderId: string): Promise<OrderView> {
    return this.#view(await orderOf(this.#services, caller, orderId));
  }

  @Post(':orderId/close')
  @HttpCode(200)
  @Needs('orders:write')
  @Describes(routes.closeOrder)
  async close(@Caller() caller: Credential, @Param('orderId') orderId: string): Promise<OrderView> {
    const { orders, clock } = this.#services;
    const order = await orders.closeOrder(caller.tenant, orderId, clock.nowMs());
    if (order === undefined) throw noSuchOrder(orderId);
    await noteAudit(this.#services, caller, 'order.closed', { orderId });
    return this.#view(order);
  }

  @Put(':orderId/devices')
  @Needs('orders:write')
  @Describes(routes.importDevices)
  async importDevices(
    @Caller() caller: Credential,
    @Param('orderId') orderId: string,
    @Req() request: FastifyRequest,
  ): Promise<{ devices: number }> {
    const order = await orderOf(this.#services, caller, orderId);
    const format = deviceFormats[mediaTypeOf(request)];
    if (format === undefined) {
      throw new RefusedCall(415, 'send devices as text/csv or application/x-ndjson');
    }
    assertContentCoding(request, ['identity']);
    using slot = this.#slots.takeImport(caller.tenant);
    const rows = readDevices(watchedBody(rawBodyOf(request), slot), format);
    const devices = await this.#services.orders.importAllowList(order.tenant, orderId, rows);
    await noteAudit(this.#services, caller, 'devices.imported', { orderId, devices });
    return { devices };
  }

  async #view(order: Order): Promise<OrderView> {
    return {
      orderId: order.orderId,
      profile: order.profileName,
      profileHash: order.profileHash,
      issuer: order.issuer,
      quota: order.quota,
      reserved: await this.#services.orders.reservedUnder(order.tenant, order.orderId),
      requiresAllowList: order.requiresAllowList,
      renews: order.renews === true,
      devices: order.allowListDevices ?? 0,
      state: stateOf(order, this.#services.clock.nowMs()),
      createdAt: new Date(order.createdAtMs).toISOString(),
      expiresAt: new Date(order.expiresAtMs).toISOString(),
    };
  }
}

/** An order as clients see it. */
export interface OrderView {
  readonly orderId: string;
  readonly profile: string;
  readonly profileHash: string;
  readonly issuer: string;
  readonly quota: number;
  /** Reserved or issued. */
  readonly reserved: number;
  readonly requiresAllowList: boolean;
  readonly renews: boolean;
  readonly devices: number;
  readonly state: 'open' | 'closed' | 'expired';
  readonly createdAt: string;
  readonly expiresAt: string;
}

function stateOf(order: Order, nowMs: number): OrderView['state'] {
  if (order.closedAtMs !== undefined) return 'closed';
  return nowMs > order.expiresAtMs ? 'expired' : 'open';
}

export async function orderOf(
  services: IssuanceServices,
  caller: Credential,
  orderId: string,
): Promise<Order> {
  const order = await services.orders.getOrder(caller.tenant, orderId);
  if (order === undefined) throw noSuchOrder(orderId);
  return order;
}

function noSuchOrder(orderId: string): CertmillError {
  return new CertmillError('NOT_FOUND', `there is no order '${orderId.slice(0, 80)}'`);
}
