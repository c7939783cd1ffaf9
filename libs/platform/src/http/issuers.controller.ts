import { Body, Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { CertmillError, type Credential } from '@certmill/domain';
import type { CrlsOfKind, DemandedCrls } from '@certmill/pipeline';
import { Caller, Needs } from '../auth/callers.js';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { demandedCrlsSchema } from './bodies.js';
import { parseWith } from './parse-with.js';
import { servicesToken, type IssuanceServices } from './services.js';

/** Issuers as those who operate them ask for them; what relying parties fetch is the repository's. */
@Controller('v1/issuers')
export class IssuersController {
  readonly #services: IssuanceServices;

  constructor(@Inject(servicesToken) services: IssuanceServices) {
    this.#services = services;
  }

  @Get(':issuer')
  @Needs('orders:read')
  @Describes(routes.showIssuer)
  show(@Caller() caller: Credential, @Param('issuer') issuer: string): IssuerView {
    const standing = this.#services.standingOf(issuer, caller.tenant);
    if (standing === undefined) throw noIssuer(issuer);
    return { issuer, ...standing };
  }

  @Get(':issuer/crls')
  @Needs('certificates:read')
  @Describes(routes.showCrls)
  async crls(@Caller() caller: Credential, @Param('issuer') issuer: string): Promise<CrlStateView> {
    this.#assertServed(issuer, caller);
    const state = await this.#services.crlStateOf(issuer);
    if (state === undefined) throw noIssuer(issuer);
    const { thisUpdateMs, nextUpdateMs, ...counts } = state;
    return {
      ...counts,
      ...(thisUpdateMs === undefined ? {} : { thisUpdate: new Date(thisUpdateMs).toISOString() }),
      ...(nextUpdateMs === undefined ? {} : { nextUpdate: new Date(nextUpdateMs).toISOString() }),
    };
  }

  @Post(':issuer/crls')
  @HttpCode(202)
  @Needs('certificates:revoke')
  @Describes(routes.demandCrls)
  async demand(
    @Caller() caller: Credential,
    @Param('issuer') issuer: string,
    @Body() body: unknown,
  ): Promise<DemandedCrls> {
    const { kind } = parseWith(demandedCrlsSchema, body);
    this.#assertServed(issuer, caller);
    const demanded = await this.#services.demandCrls(issuer, kind);
    if (demanded === undefined) throw noIssuer(issuer);
    return demanded;
  }

  #assertServed(issuer: string, { tenant }: Credential): void {
    if (this.#services.standingOf(issuer, tenant) === undefined) throw noIssuer(issuer);
  }
}

function noIssuer(name: string): CertmillError {
  return new CertmillError('NOT_FOUND', `there is no issuer '${name.slice(0, 80)}'`);
}

/** An issuer as the tenant of the caller finds it. */
export interface IssuerView {
  readonly issuer: string;
  readonly takesOrders: boolean;
  readonly takesUploads: boolean;
  readonly refusal?: string;
}

/** The CRLs of an issuer as clients see them. */
export interface CrlStateView {
  readonly issuer: string;
  readonly shards: number;
  readonly missing: number;
  readonly behind: number;
  readonly changes: number;
  readonly full: CrlsOfKind;
  readonly delta: CrlsOfKind;
  readonly thisUpdate?: string;
  readonly nextUpdate?: string;
}
