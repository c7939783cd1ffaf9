import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { decorateDescribedRoutes } from './swagger-decorators.js';

/** The OpenAPI document of an application's routes, as their decorators describe them. */
export function documentOf(nest: INestApplication): OpenAPIObject {
  decorateDescribedRoutes();
  const config = new DocumentBuilder()
    .setTitle('Certmill')
    .setDescription('Device-certificate issuance: CSR batches in, certificates out.')
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'apiKey')
    .build();
  return SwaggerModule.createDocument(nest, config, {
    operationIdFactory: (controller, method) =>
      `${controller.replace('Controller', '').toLowerCase()}.${method}`,
  });
}
