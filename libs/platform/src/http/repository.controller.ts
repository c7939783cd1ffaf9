import { Controller, Get, Headers, Inject, NotFoundException, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Describes } from '../openapi/describe.js';
import { routes } from '../openapi/routes.js';
import { RefusedCall } from '../problem/refused-call.js';
import { RepositorySlots } from './call-slots.js';
import { HttpConfigHolder } from './http-config.js';
import { PipelinedCalls } from './pipelined-calls.js';
import { findPublished } from './published-path.js';
import { type PublishedFile, Repository } from './repository.js';
import { cutSlowReader, type ReadingPace } from './slow-readers.js';

/** What certificates point to: CRLs and certificates of CAs. Open to everybody. */
@Controller()
export class RepositoryController {
  readonly #repository: Repository;
  readonly #slots: RepositorySlots;
  readonly #pace: ReadingPace;
  readonly #pipelined = new PipelinedCalls();

  constructor(
    @Inject(Repository) repository: Repository,
    @Inject(RepositorySlots) slots: RepositorySlots,
    @Inject(HttpConfigHolder) config: HttpConfigHolder,
  ) {
    this.#repository = repository;
    this.#slots = slots;
    this.#pace = config.value.limits;
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

  /** It has a place until it is away, or its reader too slow. */
  async #send(reply: FastifyReply, path: string, ifNoneMatch: string | undefined): Promise<void> {
    const { raw } = reply;
    if (raw.destroyed || !this.#pipelined.take(reply.request.raw.socket, raw)) {
      reply.hijack();
      return;
    }
    const places = new DisposableStack();
    places.use(this.#slots.take());
    raw.once('close', () => places.dispose());
    const file = await findPublished(this.#repository, path, ifNoneMatch);
    if (places.disposed) return;
    if (file?.der !== undefined) {
      const held = this.#slots.held.hold(file.der);
      if (held === undefined) throw new RefusedCall(429, 'too many CRLs at once; ask again later');
      places.use(held);
      // Written at once as it is, it makes headway whenever the system takes some of it.
      raw.setTimeout(this.#pace.idleReaderMs, () => raw.destroy());
      cutSlowReader(raw, file.der.length, this.#pace);
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
