import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Function;

/**
 * Lets nobody see a document half changed, as MongoDB does. The stand-in changes documents field by field in
 * place, and sends them after the command: an answer has copies, made while nobody changes the collection.
 * Not for aggregates that write ($out, $merge): nobody has any.
 */
final class WholeDocuments {
  private static final Set<String> READS = Set.of("find", "getMore", "aggregate", "count", "distinct");

  private final ConcurrentMap<String, ReadWriteLock> locks = new ConcurrentHashMap<>();

  Document answer(MongoMessage message, Function<MongoMessage, Document> backend) {
    Document command = message.getDocument();
    String name = command.keySet().iterator().next();
    Object collection = command.get(name.equals("getMore") ? "collection" : name);
    // What names no collection answers with no document of one.
    if (!(collection instanceof String)) return backend.apply(message);
    Lock lock = lockOf(message.getDatabaseName() + "." + collection, READS.contains(name));
    lock.lock();
    try {
      return backend.apply(message).cloneDeeply();
    } finally {
      lock.unlock();
    }
  }

  private Lock lockOf(String namespace, boolean isRead) {
    ReadWriteLock both = locks.computeIfAbsent(namespace, key -> new ReentrantReadWriteLock());
    return isRead ? both.readLock() : both.writeLock();
  }
}
