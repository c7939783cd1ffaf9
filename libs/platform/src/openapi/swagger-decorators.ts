import { applyDecorators } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
} from '@nestjs/swagger';
import { z } from 'zod';
import { describedRoutes, type Answer, type RouteDescription } from './describe.js';

type Schema = Record<string, unknown>;

/** Hands what was noted of all routes to @nestjs/swagger, once. */
export function decorateDescribedRoutes(): void {
  for (const { target, key, descriptor, route } of describedRoutes.splice(0)) {
    decoratorOf(route)(target, key, descriptor);
  }
}

function decoratorOf(route: RouteDescription): MethodDecorator {
  const { params = {}, query, json, streams = [] } = route;
  const consumes = [...(json === undefined ? [] : ['application/json']), ...streams];
  const needed = route.idempotencyKey;
  return applyDecorators(
    ApiOperation({
      summary: route.summary,
      ...(route.description === undefined ? {} : { description: route.description }),
    }),
    ...(route.isOpen === true ? [] : [ApiBearerAuth('apiKey')]),
    ...Object.entries(params).map(([name, description]) =>
      ApiParam({ name, description, schema: { type: 'string' } }),
    ),
    ...(query === undefined ? [] : queryOf(query)),
    ...(needed === undefined
      ? []
      : [
          ApiHeader({
            name: 'Idempotency-Key',
            description: 'Names the upload: the same key again is the same batch.',
            required: needed === 'required',
            schema: { type: 'string', minLength: 1, maxLength: 255 },
          }),
        ]),
    ...(consumes.length === 0 ? [] : [ApiConsumes(...consumes), ApiBody(bodyOf(json))]),
    ...Object.entries(route.answers).map(([status, answer]) => answerOf(Number(status), answer)),
    ApiResponse({
      status: 'default',
      description: 'A problem document (RFC 9457); clients switch on `code`.',
      content: { 'application/problem+json': { schema: problemSchema } },
    }),
  );
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'instance'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string' },
    requestId: { type: 'string' },
    batchId: { type: 'string', description: 'Of an upload that broke.' },
    nextIndex: { type: 'integer', description: 'Where an upload that broke goes on.' },
  },
};

function queryOf(query: z.ZodObject): MethodDecorator[] {
  const { properties = {}, required = [] } = jsonSchemaOf(query, 'input') as {
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) =>
    ApiQuery({ name, required: required.includes(name), schema }),
  );
}

function bodyOf(json: z.ZodType | undefined): { schema: Schema } {
  return { schema: json === undefined ? { type: 'string' } : jsonSchemaOf(json, 'input') };
}

function answerOf(status: number, answer: Answer): MethodDecorator {
  const { description, schema, mediaTypes } = answer;
  if (schema === undefined && mediaTypes === undefined) return ApiResponse({ status, description });
  const types = mediaTypes ?? ['application/json'];
  const content = types.map((type) => {
    const isJson = type === 'application/json' && schema !== undefined;
    return [type, { schema: isJson ? jsonSchemaOf(schema, 'output') : { type: 'string' } }];
  });
  return ApiResponse({
    status,
    description,
    content: Object.fromEntries(content) as Record<string, { schema: Schema }>,
  });
}

function jsonSchemaOf(schema: z.ZodType, io: 'input' | 'output'): Schema {
  const made: Schema = { ...z.toJSONSchema(schema, { io, unrepresentable: 'any' }) };
  delete made['$schema'];
  return made;
}
