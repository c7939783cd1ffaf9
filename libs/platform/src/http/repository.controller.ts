import { Controller, Get, Headers, Inject, NotFoundException, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { RepositorySlots } from './call-slots.js';
import { findPublished } from './published-path.js';
import { type PublishedFile, Repository } from './repository.js';

/** What certificates point to: CRLs and certificates of CAs. Open to everybody. */
@Controller()
export class RepositoryController {
  readonly #repository: Repository;
  readonly #slots: RepositorySlots;

  constructor(
    @Inject(Repository) repository: Repository,
    @Inject(RepositorySlots) slots: RepositorySlots,
  ) {
    this.#repository = repository;
    this.#slots = slots;
  }

  @Get('crl/:issuer/:file')
  @Describes(routes.getCrl)
  async crl(
    @Param('issuer') issuer: string,
    @Param('file') file: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    this.#hold(reply);
    send(reply, await findPublished(this.#repository, `/crl/${issuer}/${file}`, ifNoneMatch));
  }

  @Get('ca/:file')
  @Describes(routes.getCaCertificate)
  async certificate(
    @Param('file') file: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    this.#hold(reply);
    send(reply, await findPublished(this.#repository, `/ca/${file}`, ifNoneMatch));
  }

  /** A place until the answer is away, however slow its reader is. */
  #hold(reply: FastifyReply): void {
    const place = this.#slots.take();
    reply.raw.once('close', () => place[Symbol.dispose]());
  }
}

function send(reply: FastifyReply, file: PublishedFile | undefined): void {
  if (file === undefined) throw new NotFoundException();
  const { mediaType, etag, lastModifiedMs, maxAgeSeconds, der } = file;
  void reply
    .header('etag', etag)
    .header('cache-control', `public, max-age=${String(maxAgeSeconds)}, no-transform`);
  if (lastModifiedMs !== undefined) {
    void reply.header('last-modified', new Date(lastModifiedMs).toUTCString());
  }
  if (der === undefined) void reply.status(304).send();
  else void reply.type(mediaType).send(Buffer.from(der.buffer, der.byteOffset, der.byteLength));
}
