export { openBullmqQueue, type BullmqOptions } from './open-bullmq-queue.js';
export type { RedisServer } from './redis-server.js';
