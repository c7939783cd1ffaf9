import { Controller, Get, Headers, Inject, NotFoundException, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { RefusedCall } from '../problem/refused-call.js';
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
    await this.#send(reply, `/crl/${issuer}/${file}`, ifNoneMatch);
  }

  @Get('ca/:file')
  @Describes(routes.getCaCertificate)
  async certificate(
    @Param('file') file: string,
    @Headers('if-none-match') ifNoneMatch: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    await this.#send(reply, `/ca/${file}`, ifNoneMatch);
  }

  /** It has a place until it is away, however slow its reader is. */
  async #send(reply: FastifyReply, path: string, ifNoneMatch: string | undefined): Promise<void> {
    const places = new DisposableStack();
    places.use(this.#slots.take());
    reply.raw.once('close', () => places.dispose());
    const file = await findPublished(this.#repository, path, ifNoneMatch);
    if (places.disposed) return;
    if (file?.der !== undefined) {
      const held = this.#slots.held.hold(file.der);
      if (held === undefined) throw new RefusedCall(429, 'too many CRLs at once; ask again later');
      places.use(held);
    }
    send(reply, file);
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
