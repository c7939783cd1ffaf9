import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { OpenAPIObject } from '@nestjs/swagger';
import { HttpModule } from '../http/http.module.js';
import { documentOf } from './document-of.js';

/** The OpenAPI document without a running server: nothing is instantiated. */
export async function openApiDocument(): Promise<OpenAPIObject> {
  // Nest types its options as a class, and its documentation passes literals.
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment
  const nest = await NestFactory.create(HttpModule.forPreview(), new FastifyAdapter(), {
    preview: true,
    logger: false,
    abortOnError: false,
  });
  return documentOf(nest);
}
