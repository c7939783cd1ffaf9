import type { Collection, Db, Document, Filter, UpdateFilter } from 'mongodb';
import type { DriverCalls } from './driver-calls.js';
import { isDuplicateKey, isDuplicateKeyOnly } from './mongo-fault.js';

/** A stored document; `_id` is the only thing that is unique in a collection. */
export interface Stored {
  readonly _id: string;
}

export type Where = Readonly<Record<string, unknown>>;

export interface Update {
  readonly $set?: Readonly<Record<string, unknown>>;
  readonly $unset?: Readonly<Record<string, ''>>;
  readonly $inc?: Readonly<Record<string, number>>;
  readonly $max?: Readonly<Record<string, number>>;
}

export interface Scan {
  readonly sort: Readonly<Record<string, 1 | -1>>;
  readonly limit?: number;
  /** Names of the fields that are wanted; all where absent. */
  readonly fields?: readonly string[];
}

/**
 * One collection. On a sharded cluster (hashed `_id`) what names whole `_id`s goes to their shards;
 * any other filter goes to all, each of which uses its own index on `_id`, or the one named where it
 * is used. Faults: those of `DriverCalls.run`, and of `change` where it changes something.
 */
export class Documents<D extends Stored> {
  readonly #database: () => Db;
  readonly #name: string;
  readonly #calls: DriverCalls;
  #current: { readonly db: Db; readonly collection: Collection<Stored & Document> } | undefined;

  /** @param database Asked for each call. */
  constructor(database: () => Db, name: string, calls: DriverCalls) {
    this.#database = database;
    this.#name = name;
    this.#calls = calls;
  }

  get #collection(): Collection<Stored & Document> {
    const db = this.#database();
    if (this.#current?.db !== db) this.#current = { db, collection: db.collection(this.#name) };
    return this.#current.collection;
  }

  /** After a fault the document may be there all the same. */
  insert(document: D): Promise<'inserted' | 'exists'> {
    return this.#change('insert', async () => {
      try {
        await this.#collection.insertOne(document);
        return 'inserted';
      } catch (error) {
        if (isDuplicateKey(error)) return 'exists';
        throw error;
      }
    });
  }

  /** As `insert`; what is there by the same writer is one's own, whose answer was lost on the way. */
  async insertOwn(document: D & { readonly writer: string }): Promise<'inserted' | 'exists'> {
    if ((await this.insert(document)) === 'inserted') return 'inserted';
    const found = (await this.get(document._id, ['writer'])) as { writer?: string } | undefined;
    return found?.writer === document.writer ? 'inserted' : 'exists';
  }

  get(id: string, fields?: readonly string[]): Promise<D | undefined> {
    return this.#run('get', async () => {
      const options = projectionOf(fields);
      return ((await this.#collection.findOne({ _id: id }, options)) ?? undefined) as D | undefined;
    });
  }

  /** Those that are there, in any order. */
  getMany(ids: readonly string[], fields?: readonly string[]): Promise<readonly D[]> {
    return this.#run('get', async () => {
      const cursor = this.#collection.find({ _id: { $in: [...ids] } }, projectionOf(fields));
      return (await cursor.toArray()) as unknown as D[];
    });
  }

  find(where: Where, { sort, limit, fields }: Scan): Promise<readonly D[]> {
    return this.#run('find', async () => {
      const cursor = this.#collection
        .find(filterOf(where), projectionOf(fields))
        .sort({ ...sort })
        .limit(limit ?? 0);
      return (await cursor.toArray()) as unknown as D[];
    });
  }

  /** Whether one document met the filter, which MUST name its `_id`. */
  update(where: Where & Stored, update: Update): Promise<boolean> {
    return this.#change('update', async () => {
      const { matchedCount } = await this.#collection.updateOne(filterOf(where), updateOf(update));
      return matchedCount === 1;
    });
  }

  /** As `update`; resolves to the wanted fields of the document after it. */
  updateAndGet(
    where: Where & Stored,
    update: Update,
    fields: readonly string[],
  ): Promise<D | undefined> {
    return this.#change('update', async () => {
      const after = await this.#collection.findOneAndUpdate(filterOf(where), updateOf(update), {
        returnDocument: 'after',
        ...projectionOf(fields),
      });
      return (after ?? undefined) as D | undefined;
    });
  }

  /** Each document by itself: after a fault some are changed and some are not. */
  updateAll(where: Where, update: Update): Promise<void> {
    return this.#change('update', async () => {
      await this.#collection.updateMany(filterOf(where), updateOf(update));
    });
  }

  /** In place of the one that is there, if any. */
  put(document: D): Promise<void> {
    return this.#change('put', async () => {
      const { _id, ...rest } = document;
      const replace = () => this.#collection.replaceOne({ _id }, rest, { upsert: true });
      try {
        await replace();
      } catch (error) {
        // Two that put the first one at once: the second now finds it.
        if (!isDuplicateKey(error)) throw error;
        await replace();
      }
    });
  }

  /** In place of the one that is there, if it meets the filter; whether it does. */
  replace(document: D, where: Where): Promise<boolean> {
    return this.#change('replace', async () => {
      const { _id, ...rest } = document;
      const filter = filterOf({ ...where, _id });
      const { matchedCount } = await this.#collection.replaceOne(filter, rest);
      return matchedCount === 1;
    });
  }

  /** Each in place of the one that is there, unless that has as high a number in the field, or none. */
  putNewer(documents: readonly D[], field: keyof D & string): Promise<void> {
    return this.#change('put', async () => {
      if (documents.length === 0) return;
      const operations = documents.map(({ _id, ...rest }) => ({
        replaceOne: {
          filter: filterOf({ _id, [field]: { $lt: (rest as Record<string, unknown>)[field] } }),
          replacement: rest,
          upsert: true,
        },
      }));
      try {
        await this.#collection.bulkWrite(operations, { ordered: false });
      } catch (error) {
        // The newer one is there, so that the filter found nothing and the insert met it.
        if (!isDuplicateKeyOnly(error)) throw error;
      }
    });
  }

  /** Whether there was such a document. */
  remove(where: Where & Stored): Promise<boolean> {
    return this.#change('remove', async () => {
      return (await this.#collection.deleteOne(filterOf(where))).deletedCount === 1;
    });
  }

  removeAll(where: Where): Promise<void> {
    return this.#change('remove', async () => {
      await this.#collection.deleteMany(filterOf(where));
    });
  }

  #run<T>(verb: string, call: () => Promise<T>): Promise<T> {
    return this.#calls.run(`${verb} ${this.#name}`, call);
  }

  #change<T>(verb: string, call: () => Promise<T>): Promise<T> {
    return this.#calls.change(`${verb} ${this.#name}`, call);
  }
}

/** The ids that begin with a prefix, which ends with `/`. */
export function idsUnder(prefix: string, after = ''): Where {
  const end = `${prefix.slice(0, -1)}0`;
  return { _id: after === '' ? { $gte: prefix, $lt: end } : { $gt: prefix + after, $lt: end } };
}

function filterOf(where: Where): Filter<Stored & Document> {
  return where;
}

function updateOf(update: Update): UpdateFilter<Stored & Document> {
  return update;
}

function projectionOf(fields: readonly string[] | undefined) {
  return fields === undefined
    ? {}
    : { projection: Object.fromEntries(fields.map((field) => [field, 1])) };
}
