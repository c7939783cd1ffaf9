/** The routes that are there, to tell an unknown path (404) from an unknown method (405). */
export class RouteTable {
  readonly #routes: { readonly methods: readonly string[]; readonly path: RegExp }[] = [];

  /** @param url As Fastify writes it: `/v1/orders/:orderId`. */
  add(methods: readonly string[], url: string): void {
    const parts = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : escape(part)));
    this.#routes.push({ methods, path: new RegExp(`^${parts.join('/')}/?$`) });
  }

  /** Methods that the path of a URL takes; empty where there is no such path. */
  methodsOf(url: string): readonly string[] {
    const path = url.split('?', 1)[0] ?? '';
    const found = this.#routes.filter((route) => route.path.test(path));
    return [...new Set(found.flatMap((route) => route.methods))].sort();
  }
}

function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
