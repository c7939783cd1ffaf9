import { Controller, Get, Inject, Query, Res } from '@nestjs/common';
import type { Credential } from '@certmill/domain';
import { devicesToRenew, expiryCalendar } from '@certmill/pipeline';
import type { FastifyReply } from 'fastify';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { WalkSlots } from './call-slots.js';
import { parseWith } from './parse-with.js';
import { calendarQuerySchema } from './queries.js';
import { servicesToken, type IssuanceServices } from './services.js';
import { untilClosed } from './until-closed.js';

const dayMs = 86_400_000;

/** What runs out when: CAs and certificates of the tenant. */
@Controller('v1/calendar')
export class CalendarController {
  readonly #services: IssuanceServices;

  readonly #walks: WalkSlots;

  constructor(
    @Inject(servicesToken) services: IssuanceServices,
    @Inject(WalkSlots) walks: WalkSlots,
  ) {
    this.#services = services;
    this.#walks = walks;
  }

  @Get()
  @Needs('orders:read')
  @Describes(routes.showCalendar)
  async show(
    @Caller() caller: Credential,
    @Query() query: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CalendarView> {
    const { days, toRenewDays } = parseWith(calendarQuerySchema, query);
    const { orders, batches, profiles, clock } = this.#services;
    const signal = untilClosed(reply, this.#walks.take(caller.tenant));
    const nowMs = clock.nowMs();
    const untilMs = days === undefined ? Number.MAX_SAFE_INTEGER : nowMs + days * dayMs;
    const { authorities, renewals, devices, issuers } = await expiryCalendar(
      {
        ...{ orders, batches, profiles },
        chainOf: (issuer) => this.#services.chainOf(issuer),
        revocationOf: (issuer) => this.#services.revocationOf(issuer),
      },
      caller.tenant,
      { nowMs, untilMs },
      signal,
    );
    const toRenew =
      toRenewDays === undefined
        ? undefined
        : await devicesToRenew(this.#services.toRenew, caller.tenant, toRenewDays, signal);
    const delegates = await this.#services.repository.delegateEnds(issuers);
    return {
      authorities: authorities.map(({ notAfterMs, ...authority }) => ({
        ...authority,
        notAfter: new Date(notAfterMs).toISOString(),
        daysLeft: Math.floor((notAfterMs - nowMs) / dayMs),
      })),
      delegates: delegates
        .filter(({ notAfterMs }) => notAfterMs <= untilMs)
        .sort((left, right) => left.notAfterMs - right.notAfterMs)
        .map(({ notBeforeMs, notAfterMs, ...delegate }) => ({
          ...delegate,
          notBefore: new Date(notBeforeMs).toISOString(),
          notAfter: new Date(notAfterMs).toISOString(),
          daysLeft: Math.floor((notAfterMs - nowMs) / dayMs),
        })),
      caCrls: this.#services.repository
        .caCrlEnds()
        .filter(({ nextUpdateMs }) => nextUpdateMs <= untilMs)
        .map(({ nextUpdateMs, ...crl }) => ({
          ...crl,
          nextUpdate: new Date(nextUpdateMs).toISOString(),
          daysLeft: Math.floor((nextUpdateMs - nowMs) / dayMs),
        })),
      renewals: renewals.map(({ expiresAtMs, ...renewal }) => ({
        ...renewal,
        expiresAt: new Date(expiresAtMs).toISOString(),
        daysLeft: Math.floor((expiresAtMs - nowMs) / dayMs),
      })),
      devices,
      ...(toRenew === undefined
        ? {}
        : {
            toRenew: {
              isWhole: toRenew.isWhole,
              certificates: toRenew.rows.map(({ firstEndMs, ...row }) => ({
                ...row,
                daysLeft: Math.floor((firstEndMs - nowMs) / dayMs),
              })),
            },
          }),
    };
  }
}

/** The calendar as clients see it. */
export interface CalendarView {
  readonly authorities: readonly {
    readonly subject: string;
    readonly serialNumber: string;
    readonly notAfter: string;
    /** Below 0 once it has ended. */
    readonly daysLeft: number;
    readonly issuers: readonly string[];
    /** Why it, or a CA above it, is revoked. */
    readonly revoked?: string;
  }[];
  /** Who answers OCSP or signs indirect CRLs in the place of a CA. */
  readonly delegates: readonly {
    readonly kind: 'ocsp-responder' | 'crl-signer';
    readonly issuer: string;
    readonly subject: string;
    readonly serialNumber: string;
    readonly notBefore: string;
    readonly notAfter: string;
    readonly daysLeft: number;
    /** By the service that signs; the others are people's to replace. */
    readonly renewsItself: boolean;
    /** By people, in time: it is in use or was last, and its CA goes on. */
    readonly toReplace: boolean;
  }[];
  /** CRLs of CA certificates, which people replace. */
  readonly caCrls: readonly {
    readonly ca: string;
    readonly subject: string;
    readonly nextUpdate: string;
    /** Below 0 once it was to be replaced. */
    readonly daysLeft: number;
  }[];
  /** Orders that are open and renew what devices hold. */
  readonly renewals: readonly {
    readonly orderId: string;
    readonly profile: string;
    readonly issuer: string;
    readonly expiresAt: string;
    readonly daysLeft: number;
    /** On the allow-list; absent where any device may. */
    readonly devices?: number;
    readonly issued: number;
  }[];
  readonly devices: readonly {
    readonly month: string;
    readonly profile: string;
    readonly issuer: string;
    /** As issued, whatever became of them. */
    readonly certificates: number;
    /** Why their issuer is revoked. */
    readonly revoked?: string;
  }[];
  /** Where it was asked for: what is good or on hold, was not replaced, and ends in that time. */
  readonly toRenew?: {
    /** False where the look took too long: there may be more. */
    readonly isWhole: boolean;
    readonly certificates: readonly {
      readonly month: string;
      readonly profile: string;
      readonly issuer: string;
      readonly certificates: number;
      /** Of the first that ends. */
      readonly daysLeft: number;
    }[];
  };
}
