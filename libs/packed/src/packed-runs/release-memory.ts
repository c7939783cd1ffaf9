/**
 * Gives an array's memory back at once; it is empty afterwards. Left to the collector, large arrays
 * linger for as long as the thread makes little other garbage, and the process grows.
 */
export function releaseMemory(array: { readonly buffer: ArrayBuffer }): void {
  array.buffer.transfer(0);
}
