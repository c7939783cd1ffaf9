// The HTTP face with NestJS behind it: apart, so that the rest of a server can start beside its loading.
export { startOperationsHttp } from './http/operations-application.js';
export { startHttp } from './http/application.js';
export { openApiDocument } from './openapi/open-api-document.js';
